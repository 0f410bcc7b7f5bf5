"""Lower bounds on the objective of every radial solution, by relaxation: what no switching plan can be better than.

The relaxation is the branch-flow model with squared currents and voltages, after M. Farivar, S. H. Low, "Branch flow model:
relaxations and convexification", IEEE Trans. Power Systems 28(3), 2013, for directed branches that are used or not, after R. A.
Jabr, R. Singh, B. C. Pal, "Minimum loss network reconfiguration using mixed-integer convex programming", IEEE Trans. Power Systems
27(2), 2012. Its cones are replaced by tangent planes and its choices are made in a tree search, so that all that is ever solved
are linear programs; and of these only the prices are believed, from which each bound is computed anew (weak duality).
"""
