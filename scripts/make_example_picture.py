"""
Write the picture that the package ships as an example.

    python scripts/make_example_picture.py
"""

from PIL import Image

from ecgtrace.example import EXAMPLE, draw_example

if __name__ == "__main__":
    EXAMPLE.parent.mkdir(exist_ok=True)
    Image.fromarray(draw_example().image).save(EXAMPLE, optimize=True)
    print(f"{EXAMPLE.name}: {EXAMPLE.stat().st_size} bytes")
