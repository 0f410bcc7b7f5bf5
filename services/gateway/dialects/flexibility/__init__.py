"""The flexibility API (FlexMeasures v3_0): sign-in, accounts and users of those who plan with flexible devices.

It translates: what FlexMeasures calls things stops here.
"""
