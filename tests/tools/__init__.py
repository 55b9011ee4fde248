"""What real tools make of tagged files, and how right the tags are that are carried onto it.

    models.json     which models; which of them nothing is tuned with
    fixtures.py     exports them, once for each torch release and backend
    rewriters.py    the tools, each a function from a file to a file
    running.py      what every value of a file is, by onnxruntime
    by_numbers.py   the truth: what the new nodes compute, in terms of the old ones
    by_markers.py   the truth: what was planted in the old nodes and stands in the new ones
    judging.py      the tags of the new nodes against the truth
    grid.py         all of it, and a result file

The truth is found without HTP's matching, which is what is judged. HTP reads the old tags, and no
more.
"""
