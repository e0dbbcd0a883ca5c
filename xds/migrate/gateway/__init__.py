"""Objects of the Gateway API in place of Ingresses, and the parts of Ingresses that the API has no words for."""
