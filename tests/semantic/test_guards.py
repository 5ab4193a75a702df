"""Why two questions that look alike may not share an answer: what each guard blocks, and what none may."""

import pytest

from gptcache_magics.semantic.guards import GUARDS, Blocked, blocked
from gptcache_magics.semantic.guards.numbers import with_digits

# Pairs to which only one guard objects, with its words.
CAUGHT = {
    "number": [
        ("Print rows 3 to 5 of the table", "Print rows 4 to 6 of the table", "3, 5 / 4, 6"),
        ("Name the lakes of Finland", "Name five lakes of Finland", "– / 5"),
        ("How long did Ramesses II reign?", "How long did the old Ramesses III reign?", "2 / 3"),
        ("Draw 1 circle and one square", "Draw 3 red circles and one square", "1 / 3"),
        ("What is -5 in Fahrenheit for a cook?", "What is 5 in Fahrenheit?", "-5 / 5"),
        ("When is it 9 am in Oslo?", "When is it 9 pm in Oslo?", "9 am / 9 pm"),
        ("A bus comes at 9:30 am and goes at 1:15 pm", "A bus comes at 9:30 p.m. and goes at 1:15 a.m.", None),
        ("Is $40 a day enough for a guide?", "Is £40 a day enough for a local guide?", "40 dollars / 40 pounds"),
        ("Is 40€ a day enough for a guide?", "Is 40£ a day enough for a local guide?", "40 euros / 40 pounds"),
        ("How big is a 256 GB disk?", "How big is a 256 MB hard disk?", "256 gigabytes / 256 megabytes"),
    ],
    "date": [
        ("Which shops close from monday to thursday?", "Which shops close from tuesday to friday?", None),
        ("How was the weather in may in the north?", "How was the weather in the north?", "may / –"),
    ],
    "negation": [
        ("Write the query with a join", "Write the query without a join", "– / without"),
        ("Which birds can fly?", "Which birds can't fly?", "– / not"),
        ("Use loops in the answer", "Don't use loops in the answer", "– / not"),
        ("Which rows are old and not archived?", "Which rows are not old and archived?", "not, archived / not, old"),
        ("Is it open on May 7 and not on May 8?", "Is it open on May 8 and not on May 7?", "not, 8 / not, 7"),
        ("Welche Vögel können fliegen?", "Welche Vögel können nicht fliegen?", "– / nicht"),
        ("Ce fichier est vide ?", "Ce fichier n'est pas vide ?", None),
    ],
    "opposite": [
        ("How do I quickly import the contacts?", "What is a fast way to export contacts?", "import / export"),
        ("Draw the upper bound as a dashed line", "Draw the lower bound as a line of dots", "upper / lower"),
        ("Is it healthy to skip lunch?", "Is skipping lunch every day unhealthy?", "healthy / unhealthy"),
        ("List birds that swim and fly", "List birds that swim or fly", "and / or"),
        ("How do I move files to Oslo?", "How do I move files from Oslo?", "to / from"),
        ("How do I zoom in on a figure?", "How do I zoom out of a figure?", "in / out"),
        ("What does my name mean?", "What does your name mean?", "my / your"),
        ("Did he say that to her?", "Did she say that to him?", "he, her / she, him"),
        ("Write a for loop", "Write a while loop", "for / while"),
        ("The parcel came late and damaged", "The parcel came on time and fine", "damaged / fine"),
        ("Everyone got a seat in the hall", "Did anyone get a seat in the big hall?", "everyone / anyone"),
        ("Please send my money back for the lamp", "Please keep my money for the lamp", "send / keep"),
        ("The host was rude and the room stuffy", "A charming host and a room by the sea", "rude / charming"),
        ("The plot is thin but it ends brilliantly", "The plot is full of ideas but it ends awfully", None),
    ],
    "limit": [
        ("Print the lines that match", "Print only the lines that match", "– / only"),
        ("Delete all of the rows", "Delete any of the rows", "all / any"),
        ("Print every row", "Print every other row", "– / every other"),
        ("Write an if statement", "Write an if else statement", "– / if else"),
        ("What is the income of Norway?", "What is the income per capita of Norway?", "– / per capita"),
    ],
    "format": [
        ("Describe the planets", "Describe the planets as a table", "– / table"),
        ("Describe the planets", "Describe the planets in a single sentence", "– / sentence"),
        ("Give me the planets as json", "Give me the planets", "json / –"),
    ],
    "language": [("Write a greeting for the guests", "Write a greeting for the guests in french", "– / french")],
    "quoted text": [
        ('Split the line at each ","', 'Split the line at each ";"', ", / ;"),
        ("What does 'set up the tent' mean?", "What does 'set the tent up' mean?", None),
    ],
    "code": [
        ("Keep the rows where x > 5", "Keep the rows where x >= 5", "x > 5 / x >= 5"),
        ("Compute a - b for me", "Compute b - a for me", "a - b / b - a"),
        ("What does git push do with --dry-run?", "What does git push do with -n?", "--dry-run / -n"),
        ("Why does fit_line(points) fail?", "Why does fit_line(points) fail in draw_axes(figure)?", None),
        ("What is 7 // 2 in Python?", "What is 7 / 2 in Python?", "7 // 2 / 7 / 2"),
        ("What is 6 & 3 in Python?", "What is 6 | 3 in Python?", "6 & 3 / 6 | 3"),
        ("What does [0-9] match?", "What does [^0-9] match?", "0-9 / ^0-9"),
        ("What does x[1:] return?", "What does x[:1] return?", "1: / :1"),
        ("What does df[~mask] return?", "What does df[mask] return?", "~mask / mask"),
    ],
    "name": [
        ("What should I see in New Zealand?", "What should I see in Peru?", "New, Zealand / Peru"),
        ("Which trees lose their leaves?", "Which trees lose their leaves in Sweden?", "– / Sweden"),
        ("Which poems did Anna Seward write?", "Which poems did Anna B. Seward write?", "– / B"),
        ("Who is the wife of Carl Emanuel Bach?", "Who is the wife of Carl Bach?", "Emanuel / –"),
        ("What does UNION do?", "What does UNION ALL do?", "– / ALL"),
    ],
    "modal verb": [
        ("I will pay back the loan once I find a job.", "I may pay back the loan once I find a job.", "will / may"),
        ("The red car hit the blue car.", "The red car may have hit the blue car.", "– / may"),
        ("Review: It might help her.", "Review: It will help her.", None),
        ("The guests should leave by noon.", "The guests must leave by noon.", "should / must"),
        ("Most of them received a letter.", "Most of them may receive a letter.", "– / may"),
        ("He would come to the party on Friday.", "He might come to the party on Friday.", "would / may"),
        ("The tenant can be evicted.", "The tenant is evicted.", "can / –"),
    ],
    "person": [
        ("I will pay back the loan.", "You will repay the loan.", "i / you"),
        ("Promise: I pay back the loan.", "Promise: We repay the loan.", "i / we"),
        ("He gave the tall guest a coat.", "She gave a coat to the guest at once.", "he / she"),
        ("He gave her a warm coat", "In the end she gave him a coat", None),
    ],
    "inflection": [
        ("Translate to French: The cat sleeps.", "Translate to French: The cats sleep.", None),
        ("Translate to French: He wanted it.", "Translate to French: He had wanted it.", "– / had"),
        ("Please rewrite formally: My foot hurts.", "Please rewrite formally: My foot hurt.", "hurts / hurt"),
        ("Correct: This is for us.", "Correct: It is for us.", "this / it"),
    ],
    "list": [("List the pros and cons of tabs", "List the pros of tabs", "cons / –")],
    "order": [
        ("How do I turn miles into feet?", "How can I turn feet into miles?", "miles into feet / feet into miles"),
        ("Do cats chase dogs?", "Do dogs chase cats?", "cats chase dogs / dogs chase cats"),
        ("Sort by age and then by name", "Sort by name and then by age", None),
        ("Bring tea to Tom and milk to Jane", "Bring milk to Tom and tea to Jane", None),
        ("Move it from here to Rome and from Bonn to Oslo", "Move it from here to Oslo and from Bonn to Rome", None),
        ("The shop opens at nine and closes at noon", "The shop opens at noon and closes at nine", None),
        ("Draw a grid of shape (3, 5)", "Draw a grid of shape (5, 3)", "3 5 / 5 3"),
        ("Mix sand and lime in a ratio of 1:3", "Mix sand and lime in a ratio of 3:1", "1 3 / 3 1"),
        ("Is every square a rectangle?", "Is every rectangle a square?", "square rectangle / rectangle square"),
        ("Subtract column A from column B", "Subtract column B from column A", None),
        ("Add milk to eggs with butter", "Add eggs to butter with milk", None),
        (
            "What happens to bond prices when interest rates rise?",
            "What happens to interest rates when bond prices rise?",
            "bond prices when interest rates / interest rates when bond prices",
        ),
        (
            "When bond prices rise, what happens to interest rates?",
            "What happens to bond prices when interest rates rise?",
            None,
        ),
        (
            "Does the Inn flow into the Danube?",
            "Does the Danube flow into the Inn?",
            "Inn flow into Danube / Danube flow into Inn",
        ),
        ("Who does Ann report to?", "Who reports to Ann?", "Ann report / reports to Ann"),
        ("Who does Emily work for?", "Who works for Emily?", None),
        ("Which country does Nepal depend on?", "Which country depends on Nepal?", None),
        ("Who was the teacher of Plato?", "Who was Plato the teacher of?", None),
        ("Who is Tom afraid of?", "Who is afraid of Tom?", None),
        ("Who did Ann marry, and when?", "Who married Ann, and when?", None),
        ("What did Emily cause?", "What caused Emily?", None),
        ("Do dogs like people?", "Do people like dogs?", None),
        ("How do birds help trees?", "How do trees help birds?", None),
        ("If A implies B and B is false, what is A?", "If B implies A and A is false, what is B?", None),
        (
            "The Arva is a tributary of the Nera in southern Romania.",
            "In southern Romania, the Nera is a tributary of the Arva.",
            None,
        ),
        (
            "In Paris he secretly met the English ambassador and asked him to return to England through Scotland.",
            "He secretly met the English ambassador in Paris and asked him to return to Scotland through England.",
            "England through Scotland / Scotland through England",
        ),
        (
            "It was first used by Chinese scholars and by Chinese and Russian migrants until the majority left.",
            "It was used first by Chinese and Russian scholars and by Chinese migrants until the majority left.",
            None,
        ),
        (
            "There are also specific talks, public profile debates and project talks.",
            "There are also public talks, profile specific debates and project talks.",
            None,
        ),
        (
            "She married Paul and lived in Bath before she returned to the big family house in Dover.",
            "She married Paul and lived in Dover before she returned to the family house in Bath.",
            None,
        ),
        (
            "The film stars Mary Holt as the teacher and Jane Pole as the student.",
            "The film stars Jane Pole as the teacher and Mary Holt as the student.",
            None,
        ),
        ("His father was a teacher and his mother a nurse.", "His mother was a teacher and his father a nurse.", None),
        ("Ann called Bob, Tom and Eve", "Bob called Ann, Tom and Eve", None),
        ("Which dogs chased cats?", "Which dogs were chased by cats?", None),
        ("Who was Ann trusted by?", "Who did Ann trust?", None),
        ("Did Ann push Bob in the garden of Eve?", "In the garden of Eve, was Ann pushed by Bob?", None),
        ("Who trusted Ann?", "Who was Ann trusted with?", None),
        ("Who was the teacher of Plato?", "Who had Plato as a teacher?", None),
        ("Which robbers are cowboy fans?", "Which cowboy robbers are fans?", None),
        ("Which painters are thieves?", "Which thieves are painters?", None),
        ("Heat water using steam to make power", "Heat steam using water to make power", None),
        ("Is water warmed by cooling steam?", "Is cooling water warmed by steam?", None),
        ("Ann hired Bob.", "Ann was hired by Bob.", None),
        ("Who hired Bob?", "Who was hired by Bob?", None),
        ("Was Hamlet killed by Laertes?", "Did Hamlet kill Laertes?", None),
        ("What had been broken by Tom?", "What had broken Tom?", None),
        ("Who was succeeded by Nixon?", "Who succeeded Nixon?", None),
        ("Who loves Bob?", "Who does Bob love?", None),
        ("Who supports Chelsea?", "To whom does Chelsea support?", None),
        ("Which drugs interact with alcohol?", "Which drugs does alcohol interact with?", None),
        ("Which daughters did Marx have?", "Which daughters had Marx?", None),
        ("Is Mars bigger than Venus?", "Is Venus bigger than Mars?", None),
        (
            "Does iron rust faster in salt water than in rain water?",
            "Does iron rust faster in rain water than in salt water?",
            None,
        ),
        ("How long is the ride from Oslo to Bergen?", "How long is the ride from Bergen to Oslo?", None),
        ("Find a flight from Paris to Rome", "Find a Rome to Paris flight", None),
        ("Append list b to list a", "Append list a to list b", None),
        ("Is Lima west of Quito?", "Is Quito west of Lima?", None),
        ("Convert celsius into fahrenheit", "How do I convert fahrenheit to celsius?", None),
        ("Merge branch feature into branch main", "Merge branch main into branch feature", None),
        ("Which comes first if I multiply before adding?", "Which comes first if I add before multiplying?", None),
        ("How does poverty lead to crime?", "How does crime lead to poverty?", None),
        ("What is the impact of tourism on housing?", "What is the impact of housing on tourism?", None),
        ("Who is Ann's brother Bob?", "Who is Bob's brother Ann?", None),
        ("Bob, Ann's brother, lives in Rome.", "Ann, Bob's brother, lives in Rome.", None),
        ("Who is the mother of the father of Jim?", "Who is the father of the mother of Jim?", None),
        ("The man with the dog saw the woman.", "The man saw the woman with the dog.", None),
        ("Should I tell my wife that my mother called?", "Should I tell my mother that my wife called?", None),
        ("Explain how the liver affects the kidneys", "Explain how the kidneys affect the liver", None),
        (
            "He left Yale in 1999 for Duke and Duke in 2003 for Yale.",
            "He left Yale in 2003 for Duke and Duke in 1999 for Yale.",
            None,
        ),
        ("Please tell me whether the Inn flows into the Danube", "Does the Danube flow into the Inn?", None),
        ("Warum hat Anna Bob verlassen?", "Warum hat Bob Anna verlassen?", None),
        ("Pourquoi Paul a quitté Marie ?", "Pourquoi Marie a quitté Paul ?", None),
    ],
    "question word": [
        ("When does the museum open?", "Where does the museum open?", "when / where"),
        ("Is the museum closed?", "Why is the museum closed?", "yes or no / why"),
    ],
    "one word": [
        ("How do I rotate the picture?", "How can I crop the picture?", "rotate / crop"),
        ("How do I sort the pictures?", "How do I crop the pictures?", "sort / crop"),
        ("Return the rows of the matrix", "Return the columns of the matrix", "rows / columns"),
        ("Did group A recover?", "Did group B recover?", "A / B"),
        ("Draw A Horse", "Draw a cow", "Horse / cow"),
        ("Show the state of the car", "Show the stats of the car", "state / stats"),
    ],
}

SAME = [
    ("How can I learn to swim?", "How should I learn swimming?"),
    ("How do I reset my phone?", "How do you reset your phone?"),
    ("What is the best phone I can buy?", "Which is the best phone that I should buy?"),
    ("The file can be read in two steps.", "It is possible to read the file in two steps."),
    ("You must install the package first.", "You need to install the package first."),
    ("Can you translate to French: The cat sleeps?", "Please translate to French: The cat sleeps?"),
    ("Sort the words by length", "Hi! Can you please sort the words by their length? Thanks!"),
    ("How do I rotate a picture?", "What's the best way to rotate a picture?"),
    ("How do I rotate a picture?", "how to rotate pictures"),
    ("A great view but an awful breakfast", "The view was superb but the breakfast was terrible"),
    ("The staff was quick and kind, and the soup hot", "The staff was kind and quick, and the soup hot"),
    ("Why isn't the sky green?", "Why is the sky not green?"),
    ("Is a tomato a fruit or not?", "Is a tomato a fruit?"),
    ("Which colours does the flag have?", "Which colors does the flag have?"),
    ("Organise the files by date", "Please organize files by date"),
    ("In Iceland, how many volcanoes are active?", "How many volcanoes are active in Iceland?"),
    ("What is the number of volcanoes in Iceland?", "How many volcanoes are there in Iceland?"),
    ("Is tea or coffee healthier?", "Is coffee or tea healthier?"),
    ("What is the difference between a crow and a raven?", "What is the difference between a raven and a crow?"),
    ("Name twenty five birds", "Name 25 birds"),
    ("Can I walk there in one day?", "Can I walk there in 1 day?"),
    ("Is 1,000 a lot?", "Is 1k a lot?"),
    ("Say it in one sentence", "Say it in a single sentence"),
    ("What happened on 3rd March?", "What happened on Mar 3?"),
    ("What is natural language processing?", "What is NLP?"),
    ("Which dataset is on GitHub?", "which dataset is on github"),
    ("What does the word 'hygge' mean?", "What does the word hygge mean?"),
    ("Describe a glacier", "Explain a glacier"),
    ("Write a limerick about rain", "Create a limerick about rain"),
    ("Write “hello” in the middle", 'Write "hello" in the middle'),
    ("Explain the U.S. senate", "Explain the US senate"),
    ("What sort of bird is a wren?", "What kind of bird is a wren?"),
    ("Why did the second crusade fail?", "Why did Crusade II fail?"),
    ("Who was Seward?", "Who was Anna Seward?"),
    ("Does it rain in Rome or in Oslo?", "Does it rain in Oslo or in Rome?"),
    ("Compare the north coast and the south coast", "Compare the south coast and the north coast"),
    ("Mix red, green and blue", "Mix green, red and blue"),
    ("What is the best advice your father ever gave you?", "What is the best advice ever your father gave you?"),
    ("How do I reset my phone?", "How do you reset your phone?"),
    ("Which country has never been ruled or occupied?", "Which country has never been occupied and ruled?"),
    ("Is There A Way To Swim?", "Is there a way to swim?"),
    ("How reliable are trams?", "Are trams reliable?"),
    ("Is there any way to swim in Oslo?", "How do I swim in Oslo?"),
    ("Is there a cure for hay fever?", "Where can I find a cure for hay fever?"),
    ("Why isnt the sky green?", "Why is the sky not green?"),
    ("Why can't birds swim?", "Why cannot birds swim?"),
    ("Is a tomato a fruit, yes/no?", "Is a tomato a fruit?"),
    ("What is 20 per cent of 60?", "What is 20% of 60?"),
    ("Print rows 3 -5", "Print rows 3-5"),
    ("What is Covid-19?", "What is Covid 19?"),
    ("SAVE ENERGY AT HOME", "Save energy"),
    ("What costs 20€?", "What costs 20 euros?"),
    ("What costs $5 million?", "What costs 5 million dollars?"),
    ("What is sin x at 0?", "What is the value of the sine of x at 0?"),
    ("See if the key exists", "See whether the key exists"),
    ("Explain tides in simple terms", "Explain tides simply"),
    ("How large is the United States?", "How large are the United States of America?"),
    ("Who governs the United States?", "Who governs the US?"),
    ("Run 5 km", "Run 5 kilometers"),
    ("Lift 1 kg", "Lift 1 kilogram"),
    ("Wait 20 ms", "Wait 20 milliseconds"),
    ("Wait 1 sec", "Wait 1 second"),
    ("Play songs of the 1990s", "Play some songs of the 1990's"),
    ("What costs $20?", "What costs 20 dollars?"),
    ("Open at 9 am", "Open at 9 a.m."),
    ("How do I use groupby?", "How do I use df.groupby?"),
    ("What does a[0, 1] return?", "What does a[0,1] return?"),
    ("How do I care for a dog?", "caring for a dog"),
    ("In Python, how do I sort a list?", "How do I sort a list in Python?"),
    ("Using regex, how do I match a date?", "How do I match a date using regex?"),
    ("Because of fog, the flight from Bonn was late.", "The flight from Bonn was late because of fog."),
    ("If a tenant leaves early, who pays the rent?", "Who pays the rent if a tenant leaves early?"),
    (
        "When interest rates rise, what happens to bond prices?",
        "What happens to bond prices when interest rates rise?",
    ),
    ("During the war, how did people in London eat?", "How did people in London eat during the war?"),
    ("If I move abroad, can I keep my pension?", "Can I keep my pension if I move abroad?"),
    ("Which rivers in Spain flow west?", "In Spain, which rivers flow west?"),
    ("Yesterday, Maria called Peter about the car.", "Maria called Peter about the car yesterday."),
    ("Last week, the board approved the merger.", "The board approved the merger last week."),
    ("The committee usually meets in Vienna.", "Usually the committee meets in Vienna."),
    ("Turn off the lights in the hall", "Turn the lights off in the hall"),
    ("He was born on 17 February 1828 in Bath, Virginia.", "He was born in Bath, Virginia on February 17, 1828."),
    (
        "In 1987, the shop was founded by Udo Lang and Ralf Koch.",
        "The shop was founded in 1987 by Ralf Koch and Udo Lang.",
    ),
    ("His father was a teacher and his mother a nurse.", "His mother was a nurse and his father a teacher."),
    (
        "Elena is the daughter of Ivan and the sister of Boris.",
        "Elena is the sister of Boris and the daughter of Ivan.",
    ),
    ("Do apples, pears and plums keep well?", "Do plums, pears and apples keep well?"),
    ("Are the flow rates of the pump high?", "Are the rates of flow of the pump high?"),
    ("How do I increase battery life on an iPhone?", "How do I increase iPhone battery life?"),
    ("Do cats chase dogs?", "Are dogs chased by cats?"),
    ("Who discovered radium?", "Who was radium discovered by?"),
    ("Which songs did Lee record?", "Which songs were recorded by Lee?"),
    ("Delete the file when it is done", "The file is deleted when it is done"),
    ("Many files can be loaded using pandas", "Pandas can be used to load many files"),
    ("How do I sort a list using pandas?", "How do I use pandas to sort a list?"),
    ("Sum the numbers by calling plus", "Call plus to sum the numbers"),
    ("Which websites are popular in Iran?", "What are the popular websites in Iran?"),
    ("Which city is the capital of Peru?", "Name the capital city of Peru"),
    ("The limit of the pool is 3.", "The pool has 3 as its limit."),
    ("Which side effects does aspirin have?", "Aspirin side effects?"),
    ("Answer in one word: is salt soluble?", "Is salt soluble? Answer in one word."),
    ("It is used to access and yield files sequentially.", "It is used to sequentially access and yield files."),
    ("Which company acquired Skype?", "By which company was Skype acquired?"),
    ("Who hired Bob?", "Bob was hired by whom?"),
    ("Dogs are often chased by cats.", "Cats often chase dogs."),
    ("The committee approved the plan on Monday.", "On Monday, the plan was approved by the committee."),
    ("How does poverty affect health in Asia?", "In Asia, how is health affected by poverty?"),
    ("How do I delete a branch?", "How is a branch deleted?"),
    ("What causes high blood pressure?", "What is high blood pressure caused by?"),
    ("You can read the file with pandas.", "The file can be read with pandas."),
    ("How do I use a mask to select rows?", "How do I select rows with a mask?"),
    ("To whom does Ann report?", "Who does Ann report to?"),
    ("On what does the price depend?", "What does the price depend on?"),
    ("When it rains, where do bees go?", "Where do bees go when it rains?"),
    ("If the server is down, who calls the client?", "Who calls the client if the server is down?"),
    ("According to Kant, what is duty?", "What is duty according to Kant?"),
    ("Together with Ann, Bob opened a shop.", "Bob opened a shop together with Ann."),
    ("The band played in Rome on Friday with Lee.", "On Friday the band played with Lee in Rome."),
    ("He was born in 1902 in Kiel and died in 1960 in Bonn.", "He was born in Kiel in 1902 and died in Bonn in 1960."),
    ("The population was 500 in 1990 and 700 in 2000.", "In 1990 the population was 500 and in 2000 it was 700."),
    ("The firm was founded in Rome by Lee.", "The firm was founded by Lee in Rome."),
    ("The museum, opened in 1890, shows coins and stamps.", "Opened in 1890, the museum shows stamps and coins."),
    ("The film stars Tom Cruise, Emma Stone and Brad Pitt.", "The film stars Emma Stone, Brad Pitt and Tom Cruise."),
    ("Which films by Hitchcock are in color?", "Which Hitchcock films are in color?"),
    ("What is the average salary of a nurse in Norway?", "What is the average nurse salary in Norway?"),
    ("How do I sort a list of dicts by key?", "I have a list of dicts. How do I sort it by key?"),
    ("Is it safe to mix bleach with vinegar?", "Is mixing bleach with vinegar safe?"),
    ("Please take out the trash on Friday", "On Friday please take the trash out"),
    ("Sind Hunde oder Katzen klüger?", "Sind Katzen oder Hunde klüger?"),
    ("Comment trier une liste en Python ?", "En Python, comment trier une liste ?"),
]

ODD = {
    "empty": "",
    "spaces": " \n\t ",
    "emoji": "🙂🙃 👩‍👩‍👧 🏳️‍🌈",
    "right to left": "‏שלום‎ \u202eabc\u202c how are you",
    "combining": "a" + "\u0301" * 500,
    "digits of others": "٣ ३ ３ ² ½ Ⅷ 10² ١٬٠٠٠",
    "lone surrogate": "what is \ud800 this",
    "zero bytes": "\x00what\x00is\x00this",
    "only quotes": "\"'`" * 400,
    "long number": "9" * 100_000,
    "many numbers": "1,234" * 20_000,
    "one word": "a" * 100_000,
    "underscores": "a_" * 50_000,
    "dots": "a.b" * 33_000,
    "quotes": " 'a'b" * 20_000,
    "operators": "a = " * 25_000,
    "brackets": "f(" * 50_000,
    "names": "Ab " * 33_000,
    "capitals": "AB " * 33_000,
    "letters": "A " * 50_000,
    "negations": "not " * 25_000,
    "cut short": "n't cannot " * 10_000,
    "signs": "-1 $-1 $ 1" * 10_000,
    "amounts": "$1,1.1" * 20_000,
    "open brackets": "[a" * 50_000,
    "per": "per every other " * 7_000,
    "different words": " ".join(f"w{at}x" for at in range(15_000)),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_blocks_its_pairs_by_itself(guard: str) -> None:
    others = {name: each for name, each in GUARDS.items() if name != guard}
    for stored, asked, difference in CAUGHT[guard]:
        caught = blocked(stored, asked)
        assert caught is not None, (stored, asked)
        assert caught.guard == guard
        assert difference in (None, caught.difference)
        assert blocked(stored, asked, others) is None


@pytest.mark.parametrize(("stored", "asked"), SAME)
def test_the_same_in_other_words_is_served(stored: str, asked: str) -> None:
    assert blocked(stored, asked) is None


@pytest.mark.parametrize(("stored", "asked"), [*SAME, *(pair[:2] for pairs in CAUGHT.values() for pair in pairs)])
def test_the_verdict_is_the_same_both_ways(stored: str, asked: str) -> None:
    for guard in GUARDS.items():
        assert bool(blocked(stored, asked, dict([guard]))) == bool(blocked(asked, stored, dict([guard])))


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_odd_text_is_read(text: str) -> None:
    assert blocked(text, text) is None
    for guard in GUARDS.items():
        blocked(text, text[1:], dict([guard]))


def test_a_preposition_may_share_its_stem_with_a_verb() -> None:
    caught = blocked("Using a saw near the edge, who nears it?", "Using a saw nearing the edge, who is near it?")
    assert caught is not None
    assert caught.guard == "order"


def test_the_first_guard_that_objects_is_named_with_the_difference() -> None:
    caught = blocked("Summarise the report of 2023", "Summarise the report of 2024")
    assert caught == Blocked("number", "2023 / 2024")
    assert str(caught) == "number: 2023 / 2024"


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("two hundred rows", "200 rows"),
        ("twenty five", "25"),
        ("a thousand", "a 1000"),
        ("thousands of rows", "thousands of rows"),
        ("1.5 million", "1500000"),
        ("5 k", "5000"),
        ("3 rd", "3"),
        ("third", "3"),
        ("one day", "one day"),
        ("half a dozen", "0.5 a 12"),
        ("3.10 and 2.0 and 007", "3.10 and 2 and 7"),
        ("1.2.3 thousand", "1.2.3 thousand"),
    ],
)
def test_numbers_in_words_are_read(words: str, numbers: str) -> None:
    assert list(with_digits(words.split())) == numbers.split()
