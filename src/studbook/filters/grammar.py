"""The grammar of filters, for Lark's LALR parser with its contextual lexer.

What a word means is decided where it is read: the same letters are a field, a value, a reference or a label by their place.
"""

from __future__ import annotations

from typing import Final

GRAMMAR: Final = r"""
?filter: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: negation (_AND negation)*
?negation: NOT negation
    | _LPAR disjunction _RPAR
    | field OPERATOR value -> comparison
    | field _IN _LPAR value (_COMMA value)* _RPAR -> membership
    | field _EXISTS -> existence
    | FUNCTION _LPAR (REFERENCE | STRING) _RPAR -> relation

field: FIELD (_LBRACE label (_COMMA label)* _RBRACE)?
label: (KEY | STRING) _LABEL_IS value
value: WORD | STRING

_AND.3: /and(?![\w.@"'{-])/i
_OR.3: /or(?![\w.@"'{-])/i
NOT.3: /not(?![\w.@"'{-])/i
_IN.3: /in(?![\w.@"'{-])/i
_EXISTS.3: /exists(?![\w.@"'{-])/i
FUNCTION.3: /(?:upstream|downstream)(?=\s*\()/i

// Runs of signs are read whole, so that `==` and `=>` can be told from a comparison and answered.
OPERATOR.2: /[=!<>~]+|(?:contains|startswith)(?![\w.@{-])/i
_LABEL_IS: /[=!<>~]+/

// Segments, of which the first begins with a letter; then a qualifier. A whole name that is a keyword is quoted.
FIELD.1: /(?!(?:and|or|not|in|contains|startswith|exists)(?![\w.@"'{-]))(?:[^\W\d][\w-]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')(?:\.(?:\w[\w-]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))*(?:@(?:\w[\w.-]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))?/is

STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
WORD: /(?:\w|-[0-9])[\w.\/:@+%-]*/
REFERENCE: /\w[\w.\/:@+%-]*/
KEY: /\w[\w.-]*/

_LPAR: "("
_RPAR: ")"
_LBRACE: "{"
_RBRACE: "}"
_COMMA: ","
%ignore /\s+/
"""  # noqa: E501 - a regular expression of Lark stands on one line
