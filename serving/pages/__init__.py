"""The pages that people keep open. Reading order:

writing (numbers in the reader's language) -> frame (what stands on every page) -> overview, segments, customers,
movement, unusual, past, developers (what each page is filled with) -> routes (their addresses). A page is made of the
same answers as the API, and is complete without JavaScript: lists, filters and sorting are links and forms.
"""
