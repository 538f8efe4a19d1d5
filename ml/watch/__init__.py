"""What a day says of the model that trades: measured, compared with what is usual, told once.

Plain facts in, findings and states out; nothing here reads a server or sends a message.
"""
