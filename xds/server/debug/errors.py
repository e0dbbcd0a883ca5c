"""Questions that get no answer. Each error is one line for people."""


class AnswerError(Exception):
    """No answer to a question."""


class NotReadyError(AnswerError):
    """There is no snapshot yet."""

    def __init__(self) -> None:
        super().__init__("there is no snapshot yet: the source is still being read")


class InvalidRequestError(AnswerError):
    """The question makes no sense."""


class NotFoundError(AnswerError):
    """The object in question does not exist."""


class OutsideHistoryError(AnswerError):
    """The history does not have the revision."""


class TooSlowError(AnswerError):
    """The subscriber has missed revisions."""


class ShuttingDownError(AnswerError):
    """The server stops."""

    def __init__(self) -> None:
        super().__init__("the server shuts down")


class OverdueError(AnswerError):
    """The answer takes longer than the asker waits."""
