"""What Busbar promises while processes, the broker and the database die, freeze or cannot be reached.

Outages are short so that every build can afford them; ``BUSBAR_TEST_CHAOS_FULL=1`` has them as long as the promises say.
"""
