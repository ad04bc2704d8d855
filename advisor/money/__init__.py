"""From prices to dollars, and the break-even of tuning against prompting."""
