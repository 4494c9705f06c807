r"""The filter language: one way to ask for records, the same in the API, the command line, the SDK and the web app.

    model = churn and metrics.auc@holdout{region="south"} > 0.9 and not tags.team in (growth, "new markets")
    created_at >= now-7d and upstream(datasets/churn-train)

**Conditions** are `field = value`, also with `!=`, `>`, `>=`, `<`, `<=`, `contains`, `startswith`; `field in (a, b)`;
`field exists`; `upstream(reference)`, `downstream(reference)`. `not` binds tighter than `and`, `and` tighter than `or`;
parentheses group. Keywords are read in any case, fields are not.

**Fields** are names joined by dots: `model`, `run.job`, `params.learning_rate`. A part that holds anything else than letters,
digits, `_` and `-` is quoted: `tags."cost centre"`; so is a field whose whole name is a keyword. `@` adds a qualifier
(`license@tabular`, `metrics.auc@"my set"`), braces add the labels of a metric's slice (`metrics.auc{region=south}`).

**Values** are text in double or single quotes, with the escapes `\"`, `\'`, `\\`, `\n`, `\t`, `\uXXXX`; whole numbers and
numbers (`0.9`, `1e-3`); `true` and `false`; a day `2026-11-25`; a time `2026-11-25T09:30:00Z`; a duration `90s`, `15m`, `36h`,
`7d`, `2w`; and `now`, `now-7d`, `now+1h`. A *word* needs no quotes: it begins with a letter, a digit or `_` and goes on with
these or `- / . : @ + %`, as in `growth`, `1.0.2+cu118`, `models/churn/versions/3`. A word that could be misread is refused
until it is quoted: a keyword, `null` and `none`, a number with a leading zero or one that is too large, a day that is in no
calendar, a time without its zone.

Columns in messages are counted in characters of the whole text, from 1.
"""
