"""Credentials for TLS to backends, and authorities of clients: the content of Secrets, judged once, and their use."""

from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass

from xds.kube.objects import ConfigMap, Secret, SecretData
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.traffic.backend_tls import (
    Authorities,
    ClientCertificate,
    Credential,
    CredentialKey,
    CredentialPart,
)
from xds.translate.certificates import judge
from xds.translate.client_authorities import JudgedAuthorities, judge_authorities, judge_config_map, parsed_authorities


@dataclass(frozen=True, slots=True)
class JudgedSecret:
    """The credentials in a Secret.

    Attributes:
        client_certificate: None for a Secret without tls.crt or without tls.key.
        authorities: None for a Secret without ca.crt.
        why_not: Why Envoy would reject the content, or that there is none; empty for a usable Secret.
    """

    client_certificate: ClientCertificate | None = None
    authorities: Authorities | None = None
    why_not: str = ""

    def of(self, part: CredentialPart) -> Credential | None:
        return self.client_certificate if part is CredentialPart.CLIENT_CERTIFICATE else self.authorities


class CredentialStore:
    """Judges each Secret and ConfigMap once. Nothing of an object is remembered that is gone or changed."""

    def __init__(self) -> None:
        self._judged: dict[Key, tuple[Secret, JudgedSecret]] = {}
        self._authorities: dict[Key, tuple[Secret, JudgedAuthorities]] = {}
        self._config_maps: dict[Key, tuple[ConfigMap, JudgedAuthorities]] = {}

    def judge(self, secret: Secret) -> JudgedSecret:
        known = self._judged.get(secret.key)
        if known is None or known[0] is not secret:
            known = self._judged[secret.key] = (secret, _judge(secret.data or SecretData(), secret))
        return known[1]

    def judge_authorities(self, secret: Secret) -> JudgedAuthorities:
        """The authorities of clients in a Secret, whatever else the Secret holds."""
        known = self._authorities.get(secret.key)
        if known is None or known[0] is not secret:
            known = self._authorities[secret.key] = (secret, judge_authorities(secret.data or SecretData()))
        return known[1]

    def judge_config_map(self, config_map: ConfigMap) -> JudgedAuthorities:
        """The authorities in a ConfigMap."""
        known = self._config_maps.get(config_map.key)
        if known is None or known[0] is not config_map:
            known = self._config_maps[config_map.key] = (config_map, judge_config_map(config_map))
        return known[1]

    def find_in(self, state: KubeState, key: CredentialKey) -> Credential | None:
        """The credential; None if a holder is gone, or can't be used."""
        if key.part is CredentialPart.CONFIG_MAPS:
            return self._in_config_maps([state.config_map(each) for each in key.holders])
        secret = state.secret(key.holder)
        if secret is None:
            return None
        if key.part is CredentialPart.CLIENT_AUTHORITIES:
            return self.judge_authorities(secret).authorities
        return self.judge(secret).of(key.part)

    def _in_config_maps(self, config_maps: Iterable[ConfigMap | None]) -> Authorities | None:
        judged = [self.judge_config_map(each) if each else None for each in config_maps]
        found = [each.authorities.certificates for each in judged if each and each.authorities]
        return Authorities(b"".join(found)) if len(found) == len(judged) else None

    def keep(self, used: Set[Key]) -> None:
        """Forget all other Secrets and ConfigMaps."""
        for key in self._judged.keys() - used:
            del self._judged[key]
        for key in self._authorities.keys() - used:
            del self._authorities[key]
        for key in self._config_maps.keys() - used:
            del self._config_maps[key]


def _judge(data: SecretData, secret: Secret) -> JudgedSecret:
    """Only parsed certificates are used: a file may also hold a private key, or other content."""
    certificate: ClientCertificate | None = None
    authorities: Authorities | None = None
    if data.tls_crt and data.tls_key:
        verdict = judge(secret)
        if verdict.unstapled is None:
            return JudgedSecret(why_not=verdict.why_not)
        certificate = ClientCertificate(verdict.unstapled.chain, verdict.unstapled.private_key)
    if data.ca_crt:
        pem = parsed_authorities(data.ca_crt)
        if not pem:
            return JudgedSecret(why_not="its ca.crt has no certificates in PEM, or one that can't be read")
        authorities = Authorities(pem)
    if certificate is None and authorities is None:
        return JudgedSecret(why_not="it has neither ca.crt nor tls.crt with tls.key")
    return JudgedSecret(certificate, authorities)


class CredentialUse:
    """Counts the users of each credential, a user being a host or the default route.

    Attributes:
        current: The credentials in use.
    """

    def __init__(self) -> None:
        self.current: dict[CredentialKey, Credential] = {}
        self._users: dict[CredentialKey, int] = {}
        self._uses: dict[Hashable, tuple[CredentialKey, ...]] = {}
        self._changed: set[CredentialKey] = set()

    def use(self, user: Hashable, credentials: Mapping[CredentialKey, Credential]) -> None:
        """Replace the credentials that a user uses."""
        released = self._uses.pop(user, ())
        if not credentials and not released:
            return
        if credentials:
            self._uses[user] = tuple(credentials)
        for key, credential in credentials.items():
            self._users[key] = self._users.get(key, 0) + 1
            if self.current.get(key) != credential:
                self.current[key] = credential
                self._changed.add(key)
        self._release(released)

    def _release(self, keys: Iterable[CredentialKey]) -> None:
        for key in keys:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self.current[key]
                self._changed.add(key)

    def take_changes(self) -> frozenset[CredentialKey]:
        """The credentials that changed, came or went since the last call."""
        changed, self._changed = frozenset(self._changed), set()
        return changed
