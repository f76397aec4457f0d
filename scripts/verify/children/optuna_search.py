"""Log regrets of Optuna's samplers on the problems of search.mjs, whose JSON comes by stdin; prints
{ sampler: { problem: [log10 regret of each seed] } }."""
import json
import math
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def branin(p):
    bend = p["y"] - (5.1 / (4 * math.pi**2)) * p["x"] ** 2 + (5 / math.pi) * p["x"] - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(p["x"]) + 10


def hartmann6(p):
    h = given["hartmann"]
    rows = zip(h["alpha"], h["a"], h["p"])
    return -sum(alpha * math.exp(-sum(w * (p[f"x{j}"] - q[j]) ** 2 for j, w in enumerate(a))) for alpha, a, q in rows)


def mixed(p):
    sgd = p["optimizer"] == 0
    rate = 0.25 * (math.log10(p["lr"]) + (1.3 if sgd else 3)) ** 2
    own = 4 * (p["optimizer.sgd.momentum"] - 0.9) ** 2 if sgd else 0.1 + (math.log10(p["optimizer.adam.eps"]) + 8) ** 2 / 40
    size = (p["layers"] - 3) ** 2 / 20 + math.log2(p["width"] / 64) ** 2 / 40
    return rate + own + size + [0, 0.05, 0.2][p["act"]]


def table(p):
    row = 0
    for dimension in problems["table"]["dimensions"]:
        name, d = dimension["name"], dimension["domain"]
        count = len(d["choices"]) if d["type"] == "choice" else round((d["high"] - d["low"]) / d["step"]) + 1
        row = row * count + (p[name] if d["type"] == "choice" else round((p[name] - d["low"]) / d["step"]))
    return problems["table"]["errors"][row]


def suggest(trial, dimensions):
    """Values, or indices of choices, of what exists."""
    point = {}
    for dimension in dimensions:
        name, d = dimension["name"], dimension["domain"]
        if any(point[c["name"]] != c["index"] for c in dimension["when"]):
            continue
        if d["type"] == "choice":
            point[name] = trial.suggest_categorical(name, list(range(len(d["choices"]))))
        elif d["type"] == "integer":
            point[name] = trial.suggest_int(name, d["low"], d["high"], log=d["log"])
        else:
            point[name] = trial.suggest_float(name, d["low"], d["high"], log=d["log"], step=d.get("step"))
    return point


given = json.load(sys.stdin)
problems = {problem["name"]: problem for problem in given["problems"]}
functions = {"branin": branin, "hartmann6": hartmann6, "mixed": mixed, "table": table}
regrets = {}
for one in given["samplers"]:
    sampler = one["name"]
    regrets[sampler] = {}
    for name in one["on"]:
        problem = problems[name]
        regrets[sampler][name] = []
        for seed in range(one["seeds"]):
            study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed))
            study.optimize(lambda trial: functions[name](suggest(trial, problem["dimensions"])), given["evaluations"])
            regrets[sampler][name].append(math.log10(max(study.best_value - problem["best"], 0) + problem["floor"]))
print(json.dumps(regrets))
