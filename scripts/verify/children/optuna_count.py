"""optuna_count.py JOURNAL: what Optuna finds in a journal of one study, as JSON; exit 3 without Optuna."""

import json
import sys

try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
except ImportError:
    sys.exit(3)

storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name=None, storage=storage)
complete = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
print(json.dumps({"trials": len(study.trials), "complete": len(complete), "best": study.best_value}))
