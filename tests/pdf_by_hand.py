"""PDF files written out by hand: what no drawing library would write."""


def pdf(pages, extra=(), trailer=b"", rotate=0, box=(0, 0, 400, 300)):
    """
    Return a PDF of pages with these contents.

    `extra` are objects from number 100 on, as (number, dictionary, stream or None); pages may use them as
    resources by /X100.
    """
    kids = b" ".join(b"%d 0 R" % (10 + 2 * k) for k in range(len(pages)))
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    forms = b" ".join(b"/X%d %d 0 R" % (number, number) for number, _, stream in extra if stream is not None)
    resources = b"<< /Font << /F1 3 0 R >> /XObject << %s >> >>" % forms
    for k, content in enumerate(pages):
        shape = b"/MediaBox [%d %d %d %d] /Rotate %d" % (*box, rotate)
        uses = b"/Resources %s /Contents %d 0 R" % (resources, 11 + 2 * k)
        objects[10 + 2 * k] = b"<< /Type /Page /Parent 2 0 R %s %s >>" % (shape, uses)
        objects[11 + 2 * k] = _stream(b"", content)
    for number, dictionary, stream in extra:
        objects[number] = b"<< %s >>" % dictionary if stream is None else _stream(dictionary, stream)
    out, offsets = b"%PDF-1.7\n", {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 1\n0000000000 65535 f \n"
    for number, offset in offsets.items():
        out += b"%d 1\n%010d 00000 n \n" % (number, offset)
    size = max(offsets) + 1
    return out + b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)


def _stream(dictionary, content):
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (dictionary, len(content), content)


def form(number, content, matrix=(1, 0, 0, 1, 0, 0)):
    """A form XObject: a drawing that pages use by /X and its number."""
    numbers = b" ".join(b"%g" % value for value in matrix)
    head = b"/Type /XObject /Subtype /Form /BBox [-999 -999 999 999] /Matrix [%s]" % numbers
    return number, head + b" /Resources << /Font << /F1 3 0 R >> >>", content


def encrypted(content=b""):
    """A file that needs a password: its hashes fit none."""
    lock = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (b"41" * 32, b"42" * 32)
    return pdf([content], trailer=b"/Encrypt %s /ID [<%s> <%s>]" % (lock, b"43" * 16, b"43" * 16))
