"""What is known of the files that shops export: their layouts, their column names, and the words in their cells.

Read `folding` (how two names are compared), then `layout` and `layouts`, `header_words`, `status_words` and
`placeholders`. Everything here is data and small functions of it; nothing reads a file.
"""
