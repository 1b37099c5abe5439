// What maps share on a page: places, colours and thumbnails, each sent once under a name (payload.py).

const shared = (window.viewloomMaps ??= { blocks: new Map(), sheets: new Map(), parts: new Map(), listeners: new Set() });
