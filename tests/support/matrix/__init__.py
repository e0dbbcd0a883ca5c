"""One bad object among a hundred good ones: the kinds of bad object, and the site around it."""
