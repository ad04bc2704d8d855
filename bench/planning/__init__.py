"""From what the user asks for to a plan of all that will be done."""
