"""The subjects of client certificates that are let in (auth-tls-match-cn): others are answered 403.

The condition is a tree and not a text, so no character of an expression can be anything but a part of the expression.
"""

from functools import lru_cache
from typing import Final

from xds.envoyapi.messages import (
    Any,
    Constant,
    Expr,
    ExprCall,
    ExprIdent,
    ExprSelect,
    HttpFilter,
    RbacAction,
    RbacFilter,
    RbacPermission,
    RbacPerRoute,
    RbacPolicy,
    RbacPrincipal,
    RbacRules,
)
from xds.resources.filters.address_lists import NOBODY
from xds.resources.filters.switched import off, on

NAME: Final = "client-subject"


def client_subject() -> HttpFilter:
    """The filter without a subject: nobody is let in."""
    return off(NAME, NOBODY)


@lru_cache(maxsize=256)
def client_subject_of(expression: str) -> Any:
    """The filter's configuration for routes to clients in whose subject an expression of RE2 is found.

    Without a certificate there is no subject, and an attribute that isn't there fulfils no condition.
    """
    subject = ExprSelect(operand=Expr(ident_expr=ExprIdent(name="connection")), field="subject_peer_certificate")
    found = ExprCall(
        target=Expr(select_expr=subject),
        function="matches",
        args=[Expr(const_expr=Constant(string_value=expression))],
    )
    policy = RbacPolicy(
        permissions=[RbacPermission(any=True)],
        principals=[RbacPrincipal(any=True)],
        condition=Expr(call_expr=found),
    )
    rules = RbacRules(action=RbacAction.ALLOW, policies={"subject": policy})
    return on(RbacPerRoute(rbac=RbacFilter(rules=rules)))
