"""Too little memory, in the many forms in which Python and native libraries say so."""

from __future__ import annotations

from geocloud.errors import GeocloudError

_SIGNS = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "out of memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "memory allocation",
)


def shortage(error: BaseException, what: str = "this") -> GeocloudError | None:
    """The sentence for an error that means too little memory, or None for any other."""
    texts = [str(each).lower() for each in (error, error.__cause__, error.__context__) if each is not None]
    if not isinstance(error, MemoryError) and not any(sign in text for sign in _SIGNS for text in texts):
        return None
    return GeocloudError(f"{what} needs more memory than there is; use fewer --threads, or a machine with more")
