"""Commands on items, exemplars and layers."""

from __future__ import annotations

from widgets.actions import Command, Menu, exemplar, item, layer, on_exemplar, on_item, on_layer, on_session, when
from widgets.session import commands, edits
from widgets.session.session import Session


def deletable(session: Session) -> bool:
    """Whether there is something to take out: a thing that is active, or else a selection."""
    draft = session.draft
    return draft.item is not None or draft.exemplar is not None or not session.document.selection.blank


def is_moved(session: Session) -> bool:
    """Whether the active item lies elsewhere than where the picture has it."""
    item = None if session.draft.item is None else session.document.item(session.draft.item)
    return item is not None and item.placement is not None


moved = when(is_moved)
# What holds on to an exemplar is a model.
held = when(lambda session: session.draft.exemplar is not None and session.draft.settings.needs_model)

ITEM = Menu(
    "Item",
    (
        Command(
            "item.remove",
            "Remove the item from the picture",
            on_session(commands.delete_active),
            when=item,
            short="Remove from picture",
        ),
        Command(
            "item.outline",
            "Edit the item’s outline",
            on_item(edits.edit_outline),
            when=item,
            short="Edit outline",
        ),
        Command("item.put_back", "Put the item back", on_item(commands.put_back), when=moved, short="Put back"),
        Command("item.duplicate", "Duplicate the item", on_item(commands.duplicate_item), when=item, short="Duplicate"),
        Command(
            "item.select",
            "Select what the item covers",
            on_item(commands.select_item),
            when=item,
            short="Select what it covers",
        ),
        Command(
            "item.forget",
            "Take the item off the list",
            on_item(commands.delete_item),
            when=item,
            short="Take off the list",
        ),
    ),
)

EXEMPLAR = Menu(
    "Reference picture",
    (
        Command(
            "exemplar.flip",
            "Flip the reference picture left to right",
            on_exemplar(edits.flip_exemplar),
            when=exemplar,
            short="Flip left to right",
        ),
        Command(
            "exemplar.flip_upright",
            "Flip the reference picture top to bottom",
            on_exemplar(lambda session, id: edits.flip_exemplar(session, id, upright=True)),
            when=exemplar,
            short="Flip top to bottom",
        ),
        Command(
            "exemplar.fit",
            "Lay the reference over the whole picture",
            on_exemplar(commands.lay_over_all),
            when=exemplar,
            short="Lay over the picture",
        ),
        Command(
            "exemplar.cutout",
            "Paint the reference picture’s cut-out",
            on_exemplar(edits.paint_cutout),
            when=exemplar,
            short="Paint cut-out",
        ),
        Command(
            "exemplar.strength",
            "Paint the reference picture’s influence",
            on_exemplar(edits.paint_exemplar_strength),
            when=exemplar,
            short="Paint influence",
        ),
        Command(
            "exemplar.fidelity",
            "Paint where to keep the reference picture as it is",
            on_exemplar(edits.paint_exemplar_fidelity),
            when=held,
            short="Paint “Keep as it is”",
        ),
        Command(
            "exemplar.duplicate",
            "Duplicate the reference picture",
            on_exemplar(commands.duplicate_exemplar),
            when=exemplar,
            short="Duplicate",
        ),
        Command(
            "exemplar.delete",
            "Delete the reference picture",
            on_exemplar(commands.delete_exemplar),
            when=exemplar,
            short="Delete",
        ),
    ),
)

LAYER = Menu(
    "Layer",
    (
        Command("layer.add", "Add a layer", on_session(edits.add_layer), ("Ctrl+Shift+L",), short="Add"),
        Command(
            "layer.duplicate",
            "Duplicate the layer",
            on_layer(commands.duplicate_layer),
            when=layer,
            short="Duplicate",
        ),
        Command(
            "layer.exemplar",
            "Make the layer a reference picture",
            on_layer(commands.layer_to_exemplar),
            when=layer,
            short="Make reference picture",
        ),
        Command("layer.delete", "Delete the layer", on_layer(commands.delete_layer), when=layer, short="Delete"),
    ),
)
