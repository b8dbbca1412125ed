"""The tables of the books: plain values in, tables with every figure's parts out."""
