"""A shop's own files or tables to lines in canonical columns. Reading order:

sources (which files) -> columns (which column is which) -> cells (texts as identifiers, numbers, moments): what
two siblings are made of, `scan` (fast, for plain files) and `read` (careful, for all others). textfile, workbook,
spark: one form of source each. bombs: archives and workbooks that unpack to more than they should.

What is known of the files that shops export is data: `folding` (how two names are compared), `layout` and `layouts`,
`header_words`, `status_words`, `placeholders`.
"""
