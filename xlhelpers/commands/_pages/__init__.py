"""What goes into notebooks and docs by program: links, quiz cells, map, solutions.

    python -m xlhelpers.commands._pages             # put all of it right
    python -m xlhelpers.commands._pages --check     # only say what is amiss; 1 if anything is

Running it a second time changes nothing. A notebook that gets its quiz has to be run and stamped
afterwards: `python3 course.py run --stamp 04`.
"""
