"""A real Kubernetes control plane for tests. `make kube` builds the binaries, `netns` makes the network."""

from tests.support.cluster.control_plane import ApiError, Cluster, KubectlError, cluster
from tests.support.cluster.part import Part
from tests.support.cluster.pods import Pod, until_endpoints

__all__ = ["ApiError", "Cluster", "KubectlError", "Part", "Pod", "cluster", "until_endpoints"]
