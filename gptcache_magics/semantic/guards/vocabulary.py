"""The closed word classes of English that the guards know: classes with few words, which get no new ones.

The only synonyms here are verbs that a request begins with, because comparing meanings is the embedder's task.
"""

from __future__ import annotations

from typing import Final

from gptcache_magics.semantic.guards.stems import stem

__all__ = [
    "ACTING",
    "ARTICLES",
    "ASKING",
    "ATTACHING",
    "CONTRASTS",
    "COORDINATING",
    "DATES",
    "FLOATING",
    "FORMATS",
    "FRAME_WORDS",
    "FUNCTION_WORDS",
    "GENDERS",
    "GENERIC",
    "INFLECTED",
    "IN_ONE_WORD",
    "IN_OTHER_WORDS",
    "LANGUAGES",
    "LIMITING",
    "LIMITS",
    "LIMITS_OF_TWO",
    "MARKS",
    "MODALS",
    "NEGATIONS",
    "NEGATIONS_ABROAD",
    "NO_ADVERBS",
    "OBJECTS",
    "OPENING",
    "OPPOSITES",
    "PREFIXES",
    "REQUESTS",
    "ROMANCE",
    "SHAPES",
    "SUBJECTS",
    "TEXT_TASKS",
    "TIES",
    "UN",
    "UNITS",
    "UNITS_AFTER_NUMBERS",
    "UNIT_STEMS",
    "WHO",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, text.split()))


MARKS: Final = frozenset(",.")
"""Comma and end of a sentence, among words."""
COORDINATING: Final = _words("and or vs versus und oder et ou")
"""Words whose two sides may be swapped."""
_SAME_TIE: Final = ("be is are was were been being", "have has had", "to into onto", "when if while")
TIES: Final = {word: group.split()[0] for group in _SAME_TIE for word in group.split()} | {
    word: word
    for word in _words(
        "from by for in on at with of than over as before after within without through during via per about like near "
        "under between among against behind toward towards around across using but because since until although though "
        "unless last next every each "
        "en dans avec für von nach aus bei"  # French, Spanish, German
    )
}
"""Words that tell which part the words after them play, with one name for those that tell the same."""
WHO: Final = _words("who whom what which")
"""Question words that stand for a part of the sentence."""
FLOATING: Final = _words(
    "ever always often sometimes usually again also already still now soon yet today yesterday tomorrow tonight once "
    "daily early together both up down out off"
)
"""Adverbs without *-ly* and particles, which may stand anywhere: *set up the tent*, *set the tent up*."""
ATTACHING: Final = _words("in into to at for on near using with from by as")
"""Prepositions that tie a question to a place, a tool or a form."""
FUNCTION_WORDS: Final = _words(
    # articles, auxiliaries, prepositions, conjunctions, and pronouns without gender
    "a an the this that these those there here it its they them their i me my mine we us our you your yours one ones s "
    "am is are was were be been being do does did done has had have having will would shall should can could may might "
    "must of in on at to for by with from into onto about as like per via within and or but so if whether then than "
    "while also too very really actually just some any such own other else "
    # question words
    "what which who whom whose when where why how"
)
FRAME_WORDS: Final = _stems(
    # politeness, and other words around a request
    "please kindly thank hi hello hey dear give tell show provide need want let know help get got "
    # praise, and nouns that stand for any other: "What is the best way to" asks what "How do I" asks
    "good better best well top great way thing kind type anything something someone anyone everyone people"
)
"""Stems that say nothing about the subject."""
ACTING: Final = _stems("people someone anyone everyone help want need know tell show give let")
"""Stems of ``FRAME_WORDS`` whose places tell who does what: *dogs help people*."""
REQUESTS: Final = {
    stem(verb): group.split()[0]
    for group in ("write compose create make generate produce draft", "explain describe", "calculate compute")
    for verb in group.split()
}
"""Verbs that ask for the same where they come first."""
NEGATIONS: Final = _words(
    "not no never none nothing nobody nowhere neither nor without except excluding exclude avoid prevent non unless "
    # German, Dutch, French, Spanish, Portuguese, Italian
    "nicht kein keine keinen keinem keiner keines niemals niemand nirgends ohne niet geen zonder "
    "jamais aucun aucune jamás nunca nadie ningún ninguno ninguna não nenhum nenhuma ninguém senza nessun nessuno "
    "nessuna"
)
NEGATIONS_ABROAD: Final = _words("pas sans sin sem")
"""Negations in texts with a word of ``ROMANCE``: English has *sin x* and a sans-serif font."""
ROMANCE: Final = _words(
    "el la los las un una uno del al que es en con qué cómo le les des du une est ce je il que comment avec os as da "
    "em como com"
)
"""Articles and the like of French, Spanish and Portuguese."""
LIMITS: Final = {
    word: group.split()[0]
    for group in (
        "all every each entire whole",
        "any",
        "some",
        "both",
        "only solely exclusively",
        "first",
        "last",
        "next",
    )
    for word in group.split()
}
"""Words for how much of something is asked for."""
LIMITS_OF_TWO: Final = {"other": _words("every each"), "else": _words("if")}
"""Words that limit after certain words: *every other row*, *an if else statement*."""
LIMITING: Final = _words("only first last next") | {"every other", "each other", "if else"}
"""Limits that may not be left out, because then all is meant."""
_DAYS: Final = _words(
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday"
)
DATES: Final = {
    **{short: day for day in _DAYS for short in (day[:3], day)},
    **{day: day for day in ("today", "tomorrow", "yesterday")},
}
"""Months and days, in full or shortened."""

UN: Final = _words("un in im ir il dis non de anti mis")
"""Prefixes that turn a word into its opposite: un-safe, dis-connect, de-activate."""
PREFIXES: Final = UN | _words(
    "en em as ex over under up down out on off pre post max min hyper hypo macro micro inter intra uni multi a ab sub "
    "super homo hetero pro con ad back front fore after before inner outer"
)
"""Prefixes that may be the only difference of opposites: en-able dis-able, as-cending de-scending, im-port ex-port."""
_OPPOSITES: Final = (
    "more less,more fewer,most least,best worst,better worse,good bad,high low,higher lower,highest lowest,"
    "large small,larger smaller,largest smallest,big small,bigger smaller,biggest smallest,long short,longer shorter,"
    "longest shortest,fast slow,faster slower,fastest slowest,new old,newest oldest,young old,early late,first last,"
    "last next,top bottom,before after,above below,over under,up down,on off,left right,open close,start stop,"
    "start end,begin end,add remove,push pull,read write,buy sell,win lose,lock unlock,show hide,keep remove,"
    "positive negative,true false,male female,men women,man woman,pros cons,hot cold,strong weak,easy hard,odd even,"
    "rise fall,raise lower,upper lower,public private,well badly,"
    # states and what happens
    "fine damaged,fine broken,working broken,full empty,alive dead,fresh stale,wide narrow,deep shallow,"
    "thick thin,quick slow,cheap expensive,cheap dear,warm cold,warm cool,hot cool,heavy light,dark light,dark bright,"
    "loud quiet,loud silent,dry wet,tight loose,rich poor,soft hard,soft loud,smooth rough,sweet sour,sweet bitter,"
    "near far,inside outside,arrive leave,arrive depart,come go,gain lose,increase decrease,grow shrink,rise drop,"
    "accept reject,approve reject,accept refuse,allow forbid,allow ban,hire fire,borrow lend,love hate,forget remember,"
    "find lose,keep lose,pass fail,success failure,succeed fail,win fail,build destroy,create destroy,create delete,"
    "add delete,insert delete,save delete,appear disappear,send receive,give take,catch miss,score miss,join leave,"
    "stay leave,enter leave,enter exit,launch postpone,begin finish,start finish,wake sleep,laugh cry,sunny rainy,"
    "north south,east west,front back,day night,morning evening,summer winter,brother sister,mother father,"
    "husband wife,boy girl,uncle aunt,king queen,always sometimes,always rarely,always seldom,often rarely,"
    "often seldom,sometimes never,son daughter,everyone someone,everybody somebody,everyone anyone,everybody anybody,"
    "everyone somebody,everybody someone,everyone anybody,everybody anyone,everything something,everything anything,"
    "all none,"
    # giving and keeping
    "send keep,return keep,give keep,refund keep,refund deny,hand keep,donate keep,sell keep,share keep,ship keep,"
    "deliver keep,repay keep,repay owe,pay owe,discard keep,throw keep,release keep,return retain,send withhold,"
    "give withhold,pay withhold,release withhold,lend keep,deposit withdraw,cancel keep,cancel renew,cancel confirm,"
    "cancel book,cancel order,swap keep,exchange keep,replace keep"
)
_PAIRS: Final = [tuple(map(stem, pair.split())) for pair in _OPPOSITES.split(",")]
OPPOSITES: Final = {
    word: frozenset(other for pair in _PAIRS if word in pair for other in pair if other != word)
    for word in {word for pair in _PAIRS for word in pair}
}
"""Stems of opposites that share no ending, by stem."""

CONTRASTS: Final = {
    word: (group, pole)
    for group, poles in (
        ("joining", ("and", "or")),
        ("direction", ("to into onto", "from")),
        ("side", ("in", "out")),
        ("loop", ("for", "while")),
        ("person", ("my mine", "your yours", "he his him", "she her hers", "they their theirs them", "our ours")),
    )
    for pole in poles
    for word in pole.split()
}
"""Function words with their kind and their sense within it: another sense makes another question."""
NO_ADVERBS: Final = _stems(
    "apply assembly belly billy bully comply emily family imply italy jelly kelly lily molly multiply polly reply "
    "sally supply"
)
"""Stems on *-ly* that are no adverbs."""
GENERIC: Final = _words("i you we one")
"""Pronouns that may stand for anybody: *How do I reset my phone?* is *How do you reset your phone?*"""
ARTICLES: Final = _words("a an the")
ASKING: Final = WHO | {"whose", "how", "where", "why", "when"}
"""Words that a question begins with, unless it is answered by yes or no."""
MODALS: Final = {
    modal: group.split()[0]
    for group in ("will shall", "would", "can could", "may might", "should ought", "must")
    for modal in group.split()
}
"""Verbs that say how sure or how free something is, with one name for those that say the same."""
SUBJECTS: Final = ARTICLES | _words(
    "i you we he she they it this that these those there one someone anyone everyone people my your his her our their"
)
"""Words that a subject may begin with: after a modal verb, they make a question."""
IN_OTHER_WORDS: Final = {
    "can": _stems("possible able allow enable let permit"),
    "must": _stems("need require necessary"),
}
"""Stems that say what a modal verb says."""
GENDERS: Final = {
    word: group.split()[0] for group in ("he him his himself", "she her hers herself") for word in group.split()
}
"""Pronouns of one person, with one name for each gender."""
TEXT_TASKS: Final = _words(
    "translate rewrite rephrase paraphrase reword correct proofread conjugate edit transcribe punctuate simplify"
)
"""Verbs that ask for a text in another form, where they begin a sentence."""
INFLECTED: Final = (
    MODALS.keys()
    | GENDERS.keys()
    | _words(
        "i me my mine we us our ours you your yours they them their theirs it its am is are was were be been being "
        "do does did done has had have having this that these those not some any most"
    )
)
"""Function words that another form of a text keeps, and most other questions do not need."""
OPENING: Final = _words("is are was were do does did has had should")
"""Beginnings of questions that are answered by yes or no. *Can* is left out: it often means *how can*."""
OBJECTS: Final = _words("df self this obj")
"""Names that stand for any object: *df.groupby* is *groupby*."""

UNITS: Final = {
    short: unit
    for unit, shorts in (
        ("kilometers", "km kms kilometre kilometres"),
        ("centimeters", "cm cms centimetre centimetres"),
        ("millimeters", "mm millimetre millimetres"),
        ("meters", "metre metres"),
        ("liters", "litre litres"),
        ("milliliters", "ml millilitre millilitres"),
        ("kilograms", "kg kgs kilo kilos"),
        ("milligrams", "mg"),
        ("pounds", "lb lbs gbp"),
        ("ounces", "oz"),
        ("milliseconds", "millisecs"),
        ("kilobytes", "kb"),
        ("megabytes", "mb"),
        ("gigabytes", "gb"),
        ("terabytes", "tb"),
        ("dollars", "usd"),
        ("euros", "eur"),
        ("rupees", "inr"),
        ("yen", "jpy"),
    )
    for short in shorts.split()
}
"""Units that are written in several ways, and their common name."""
UNITS_AFTER_NUMBERS: Final = {
    short: unit
    for unit, shorts in (
        ("meters", "m"),
        ("grams", "g"),
        ("liters", "l"),
        ("feet", "ft"),
        ("seconds", "sec secs second"),
        ("milliseconds", "ms"),
        ("minutes", "min mins"),
        ("hours", "h hr hrs"),
    )
    for short in shorts.split()
}
"""Abbreviations that are units only right after a number."""
UNIT_STEMS: Final = frozenset(map(stem, {*UNITS.values(), *UNITS_AFTER_NUMBERS.values()})) | _stems(
    "am pm mile foot inch yard gallon day week month year degree celsius fahrenheit percent byte"
)
"""Stems of units and times of day, which a number may count or measure."""

FORMATS: Final = _stems("json yaml yml csv xml toml html markdown latex bullet briefly")
SHAPES: Final = _stems("table list paragraph sentence word essay poem detail short brief step term line")
"""Forms of an answer where they follow a word of ``ATTACHING``."""
IN_ONE_WORD: Final = {stem("terms"): stem("simply")}
"""*In simple terms* is *simply*."""
LANGUAGES: Final = _words(
    "english french german spanish italian portuguese dutch russian chinese mandarin japanese korean arabic hindi urdu "
    "bengali turkish swedish norwegian danish finnish greek hebrew latin vietnamese thai indonesian czech polish "
    "hungarian romanian ukrainian python sql java javascript typescript c++ c# rust golang ruby php perl matlab scala "
    "kotlin swift bash powershell pandas numpy"
)
"""Languages, and libraries with a language of their own: in lower case they are not seen as names."""
