"""Characters that files hold for others that look like them, where Unicode's normalization has no mapping."""

RADICALS = str.maketrans(
    "⺁⺂⺃⺄⺅⺆⺇⺈⺉⺊⺋⺌⺍⺎⺏⺐⺑⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩⺪⺫⺬⺭⺮⺯⺰⺱⺲⺳"
    "⺴⺵⺶⺷⺸⺹⺺⺻⺼⺽⺾⺿⻀⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻞⻟⻠⻡⻢⻣⻤⻥"
    "⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
    "厂乛乚乙亻冂𠘨刀刂卜㔾小小兀尣尢𡯂巳幺彑𫜹忄心扌攵旡日月歺母民氵氺灬爫爫丬牛犭王𤴔目示礻𥫗糹纟罓罒㓁"
    "冗𦉫羊𦍌𦍋耂肀聿肉𦥑艹艹艹虎衤覀西见角𧢲讠贝𧾷车辶辶辶邑钅長镸长门𨸏阝雨青韦页风飞食𩙿飠饣𩠐马骨鬼鱼"
    "鸟卤麦黄黾斉齐歯齿竜龙龜亀龟",
)
"""The block CJK Radicals Supplement, from EquivalentUnifiedIdeograph.txt 15.0.0 of the Unicode Character Database."""

TYPESETTING: dict[int, str | int] = {
    code: chr(code - 0xF700).lower() for code in (*range(0xF721, 0xF77B), *range(0xF7A1, 0xF800))
}
TYPESETTING |= str.maketrans(
    "".join(map(chr, range(0xF6E1, 0xF6F4)))
    + "\uf6be\uf6c1\uf6c2\uf6d9\uf6da\uf6db\uf6dc\uf6de\uf6df\uf6e0\uf6f9\uf6fa\uf6fd\uf6ff\uf8e8\uf8e9\uf8ea",
    ",,$$--..abdeilmorst" + "ȷŞş©®™1—¢¢łœšž®©™",
)
"""Small capitals, old-style figures and the like: the codes for private use that Adobe's glyph list gives them."""
