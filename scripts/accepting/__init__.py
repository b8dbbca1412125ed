"""What the product must hold, measured from outside: commands in, written files out.

    product    runs the product's commands, keeps finished outputs
    judging    patches against what is known to be there; geometry only
    naip       false alarms and implanted construction on farmland without construction
    demo       planted construction and false patches of demo counties; each filter switched off
    pairs      swapped dates
    cloud      a township partly under cloud

Imports nothing of `pipeline`: a measure that shares code with what it measures proves nothing.
"""
