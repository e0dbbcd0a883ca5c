"""A request for a page."""

from dataclasses import dataclass

from xds.ui.answers import Answers, CostlyAnswers
from xds.ui.page import Query


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a page.

    Attributes:
        answers: Answers questions.
        query: The parameters.
        names: The segments of the path behind the first.
        costly: Answers questions that may take long.
        listen: The address of the control plane, for commands that the page shows.
    """

    answers: Answers
    query: Query
    names: tuple[str, ...]
    costly: CostlyAnswers
    listen: str
