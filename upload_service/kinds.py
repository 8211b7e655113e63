"""What a row of the catalogue stands for."""

PICTURE, DOCUMENT, PAGE = "picture", "document", "page"
EMBEDDED = (PICTURE, PAGE)  # a document is found by its pages, it has no vector of its own
