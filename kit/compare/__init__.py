"""What differs: two traces by causal position, two runs in counts and quantiles."""
