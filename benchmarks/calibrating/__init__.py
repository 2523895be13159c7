"""Markets and policies whose true skill is known, and what the gate's own code decides on them.

``grid`` says when there are bars, ``market`` what prices do there, ``policy`` what is held, ``paths`` what that earns
and pays, ``judging`` what the gate says of it; ``scenarios`` are the rows, ``measuring`` counts, ``tables`` shows them.
"""
