"""How large a millimetre of the paper is in a picture, from its grid."""

from ecgtrace.digitization.scale.find import find_scale

__all__ = ["find_scale"]
