"""Series that are known to be made up, by their fingerprints: those of the demo."""

from __future__ import annotations

GENERATED = frozenset(
    {
        "08f741dd8e47cb1050e0eb0658e5bab0b0e854635803f70de91ef3bb6b528884",
        "21082e975608117c53ec9e5c96b1cc56d188d31d7bad5bee547a38b79ee1d6bd",
        "3cd7079ab710c0feb30ebaf448d1eb2023038a2bb21a10e52cc5d12e5eea7417",
        "3cf79378e685d3e0ad5c35be102f825c95e486b501d7f7a9da3e735ea4d7f20c",
        "4d96b7209335751e0e157bdb1820c95f468b121d7b425c3f479b713cf11c7371",
        "4ec94082a43810a0e0ed9806617d6bea5b7cd182e3ebc309db57f712ce042fe3",
        "7427aaf0278bfc68f77f43ff3912b1e2f4554af0b758123d91f747087a9e43c1",
        "98bbed0ed4a0aa64397a23eccb8604ea9a9a72b94cca6f3c4c4b936acf460f30",
        "9f0da7ab84ab8e285fca990dcd7f3f254df552388c177502a0c6169a9c7b0834",
        "b595ec222a30f32c53e34993fbe3eb0b63ae4e9e1e3b47f75f404c692d1e524a",
        "cd922b2191489aef0b1f7ccfb4e11ac4d2a16e5ceac487c1f9d46dbad30d0145",
    }
)  # of cassettes, and of the regular sessions in those of stocks
