"""GPT-Live in traces: its events, and the guarantees that carry over.

Shares no code with what watches a call (`realtime_fsm.duplex`), which is judged by it.
"""
