"""The lab: a page where every physics runs forward and backward, and the server that computes what it draws.

The page draws; the library computes. A request comes as JSON over one WebSocket (`requests.py`), is worked on
by a small pool of threads (`pool.py`), and is answered in binary frames (`frames.py`), coarse first.
"""
