"""What the processor computes in."""

import torch


def computes_bfloat16() -> bool:
    """
    Say whether the processor has instructions for bfloat16.

    PyTorch computes in it without them, too, several times as slowly as in single precision. Releases of it
    that do not tell are taken to have none.
    """
    known: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("avx512_bf16", False) or known.get("amx_bf16", False))
