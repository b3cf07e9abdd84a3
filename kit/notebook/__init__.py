"""What a notebook user holds: thin faces over the layers below."""
