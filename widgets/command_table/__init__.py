"""Every command of the program, once: in the menus, or only in the palette and on a key."""

from widgets.command_table.files import EDIT, FILE
from widgets.command_table.items import EXEMPLAR, ITEM, LAYER
from widgets.command_table.maps import SELECT, STRENGTH
from widgets.command_table.runs import RUN
from widgets.command_table.tools import TOOL_COMMANDS
from widgets.command_table.views import HELP, VIEW

MENUS = (FILE, EDIT, SELECT, STRENGTH, ITEM, EXEMPLAR, LAYER, VIEW, RUN, HELP)
OTHERS = TOOL_COMMANDS
