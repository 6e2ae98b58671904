"""The complete examples of otad-clients(7): what the page tells people to write is what runs here."""
import pathlib
import re

PAGE = pathlib.Path(__file__).resolve().parents[2] / "config/otad-clients.7"
EXAMPLE = re.compile(r'^\.\\" example: (\S+)\n\.Bd -literal -offset indent\n(.*?)^\.Ed$', re.M | re.S)
EXAMPLES = {name: text.replace(r"\e", "\\").replace(r"\&", "") for name, text in EXAMPLE.findall(PAGE.read_text())}


def example(name, places):
    """Its text. `places` tells what stands here for addresses, paths and @PLACEHOLDERS@ of the page;
    each must be there."""
    text = EXAMPLES[name]
    for there, here in places.items():
        assert there in text, f"{there} is not in the page's {name}"
        text = text.replace(there, str(here))
    return text
