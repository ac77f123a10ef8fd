"""Texts as they stand in a shop's files: some with a slot for a value of a person, others about nobody."""

from __future__ import annotations

from typing import Final

TEMPLATES: Final = (
    "{}",
    "Please call back: {} (after five)",
    "customer gave {} at the till",
    "Rückfragen an {}, danke",
    "contact={};channel=web",
    "Le client a laissé {} à la caisse.",
    "prefiere {} para la entrega",
    "お客様の連絡先は{}です",
    "ردت الزبونة: {}",
    "см. {} в карточке клиента",
    "old data:{}/new data: see file",
)

PLAIN: Final = {
    "opinions": (
        "very good, would buy again",
        "Verpackung beschädigt, Ware in Ordnung",
        "trop sucré pour les enfants",
        "la leche estaba agria",
        "いつもおいしいです",
    ),
    "small numbers": ("{n} g, 2 for 1", "only {m} % fat", "aisle {m}, shelf {n}", "size {m}/{n}", "{n}.{m} per kg"),
    "dates and times": ("best before 2017-11-{m}", "delivered 12/10/2017", "open 08:00-20:00 on 24.12."),
    "receipts and orders": ("order {n}-{m}", "receipt no. {n}", "invoice 2017/{n}"),
    "barcodes": ("EAN {ean}", "{ean}", "item {ean} was out of stock"),
}
