"""Writes plain_pN.pkl: the same value in every protocol of Python's pickle. Run in this folder."""
import pickle

shared = ["once"]
value = {
    "scalars": [None, True, False, 0, -1, 255, 65535, -2147483648, 2**40, -(2**40), 2**63 - 1, -(2**63), 0.1, -1e300],
    "texts": ["", "x", "\u00fc\u20ac\U0001f600", "a\nb\\c\u0100'\"", "long " * 60],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "many": list(range(300)),
    "shared": [shared, shared],
    7: {},
}
for protocol in range(6):
    with open(f"plain_p{protocol}.pkl", "wb") as file:
        pickle.dump(value, file, protocol)
