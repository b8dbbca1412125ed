"""The vocabulary: fields, layers, codes and the checks on them. No I/O."""
