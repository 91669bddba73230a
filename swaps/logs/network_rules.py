"""Several Sparks that have to work as one (spark-facts 3.3)."""

from swaps.logs.rule import Rank, Rule, rule, tell

_FABRIC = (
    "Check the cable, the fabric addresses and that both Sparks use the same interface (ETH_IF,"
    " IB_IF in the launcher's .env file)."
)

NETWORK_RULES: tuple[Rule, ...] = (
    rule(
        "not-enough-gpus",
        r"World size \(\d+\) is larger than the number of available GPUs",
        tell(
            "The model wants {need} GPUs, but vLLM found only {have}; each Spark has one.",
            "Use a slot with {need} Sparks, or set --tensor-parallel-size to {have}.",
            facts=r"World size \((?P<need>\d+)\) is larger than the number of available GPUs"
            r" \((?P<have>\d+)\)",
        ),
        tell(
            "The model wants more GPUs than vLLM found; each Spark has one.",
            "Use a slot with more Sparks, or lower --tensor-parallel-size.",
        ),
    ),
    rule(
        "not-enough-gpus",
        r"Cannot provide a placement group",
        tell(
            "The worker Spark did not join the Ray cluster, so the model had too few GPUs.",
            "Check that the container runs on the worker and that the fabric addresses are right.",
        ),
    ),
    rule(
        "not-enough-gpus",
        r"Waiting for creating a placement group of specs"
        r"|number of required GPUs exceeds the total number of available GPUs",
        tell(
            "vLLM was still waiting for the worker Spark to join the Ray cluster.",
            "Check that the container runs on the worker and that the fabric addresses are right.",
        ),
        rank=Rank.HINT,
        any_level=True,
    ),
    rule(
        # Usually the other Spark's vLLM died first; its own words, when there are any, tell more.
        "fabric-nccl",
        r"Connection (?:closed|reset) by peer|ncclRemoteError|remote process exited",
        tell(
            "The link between the Sparks broke, or vLLM on the other Spark ended first.",
            "Look at the other Spark's log and memory; if both are well, check the cable and the fabric addresses.",
        ),
        rank=Rank.HINT,
        code_when_serving="fabric-nccl",
    ),
    rule(
        "fabric-nccl",
        r"NCCL error|NCCL Error \d|unhandled system error|ncclSystemError|ncclRemoteError"
        r"|ncclInternalError|DistBackendError|connectFullMesh failed|DistNetworkError"
        r"|DistStoreError|RendezvousConnectionError|Timed out .{0,80}waiting for clients"
        r"|(?:gloo|c10d|TCPStore|torch\.distributed).{0,200}(?:timed ?out|timeout|Connection refused)",
        tell(
            "The Sparks could not talk to each other over the fast link: {address} did not answer on port {door}.",
            _FABRIC,
            facts=r"(?:client socket has timed out|timed out).{0,160}?connect(?:ing)? to"
            r" \(?\[?(?P<address>[\w.-]+)\]?(?::|, ?)(?P<door>\d{1,5})",
        ),
        tell("The Sparks could not talk to each other over the fast link ({line}).", _FABRIC),
        code_when_serving="fabric-nccl",
    ),
)
