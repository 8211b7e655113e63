"""What stands on the made documents: names and things that exist nowhere.

A thing is written one way on the page and asked for in another: (written, asked).
"""

from __future__ import annotations

Thing = tuple[str, str]

COMPANIES = (
    "Harlow Optics", "Bramble Furniture", "Northgate Timber", "Castello Ceramics",
    "Pemberton Marine", "Quillfeather Press", "Sundial Bakery", "Ironbridge Tools",
    "Violet Harbour Hotel", "Larkspur Gardens",
)  # fmt: skip
CLIENTS = (
    "Tobias Wren", "Miriam Okafor", "Lucas Fjeld", "Ayesha Rahman", "Greta Lindqvist",
    "Hugo Marchetti", "Penelope Ashdown", "Kenji Morita", "Rosalind Pike", "Emil Novak",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
GOODS: tuple[Thing, ...] = (
    ("telescope mounts", "telescope mount"), ("oak planks", "planks of oak"),
    ("glazed tiles", "glazing of tiles"), ("anchor chains", "anchor chain"),
    ("leather bindings", "binding in leather"), ("wedding cake", "cakes for a wedding"),
    ("torque wrenches", "torque wrench"), ("conference room hire", "hiring a conference room"),
    ("rose bushes", "rose bush"), ("eyepiece cleaning", "cleaned eyepieces"),
    ("walnut bookcase", "walnut bookcases"), ("roof battens", "battens for the roof"),
    ("porcelain vases", "porcelain vase"), ("sail repairs", "repairing a sail"),
    ("poster printing", "printed posters"), ("rye loaves", "loaf of rye"),
    ("drill bits", "drill bit"), ("breakfast buffet", "breakfast"),
    ("gravel delivery", "gravel delivered"), ("binocular straps", "strap for binoculars"),
    ("velvet armchair", "armchairs in velvet"), ("plywood sheets", "plywood"),
    ("teapot lids", "lid of a teapot"), ("harbour mooring", "mooring in the harbour"),
    ("calendar proofs", "proof of a calendar"), ("almond croissants", "croissant with almonds"),
    ("circular saw", "circular saws"), ("airport transfer", "transfers to the airport"),
    ("lawn seed", "seeds for the lawn"), ("greenhouse panes", "greenhouse pane"),
)  # fmt: skip
SHOPS = (
    "Corner Grocer", "Blue Kettle Cafe", "Paws and Claws", "Riverside Pharmacy", "Pixel Arcade",
    "Old Mill Books", "Green Fork Diner", "Cobbler Lane Shoes", "Station Kiosk", "Tidal Surf Shop",
)  # fmt: skip
PURCHASES: tuple[Thing, ...] = (
    ("BANANAS", "bananas"), ("OAT MILK", "milk of oats"), ("DOG BISCUITS", "biscuit for a dog"),
    ("COUGH SYRUP", "cough syrup"), ("ARCADE TOKENS", "token for the arcade"),
    ("CRIME NOVEL", "crime novels"), ("MUSHROOM BURGER", "burger with mushrooms"),
    ("SHOE POLISH", "polish for shoes"), ("TRAIN MAGAZINE", "magazine about trains"),
    ("SURF WAX", "wax to surf"), ("CHEDDAR", "cheddar"), ("CINNAMON BUN", "cinnamon buns"),
    ("CAT LITTER", "litter for the cat"), ("SUN CREAM", "cream against the sun"),
    ("PINBALL", "pinball"), ("ATLAS", "atlas"), ("LENTIL SOUP", "soup of lentils"),
    ("BOOT LACES", "laces of boots"), ("CHEWING GUM", "gum"), ("SNORKEL", "snorkels"),
    ("TOMATOES", "tomatoes"), ("ESPRESSO", "espresso"), ("BIRD SEED", "seeds for birds"),
    ("BANDAGES", "bandages"), ("LEMONADE", "lemonade"), ("POSTCARDS", "postcard"),
    ("APPLE PIE", "pie with apples"), ("INSOLES", "insoles"), ("UMBRELLA", "umbrellas"),
    ("FLIP FLOPS", "flip flops"),
)  # fmt: skip
TOPICS = (
    "Coral Reef Survey", "Solar Roof Programme", "Warehouse Robots", "Museum Opening Hours",
    "Beekeeping for Beginners", "Night Bus Network", "Glacier Retreat", "Customer Churn",
    "Volcano Monitoring", "School Lunch Menu",
)  # fmt: skip
POINTS: tuple[Thing, ...] = (
    ("budget for divers", "diving budget"), ("inverter failures", "failing inverters"),
    ("battery charging", "charged batteries"), ("ticket prices", "price of tickets"),
    ("queen rearing", "rearing queens"), ("driver shortage", "shortage of drivers"),
    ("melting rates", "rate of melting"), ("loyalty discounts", "discount for loyalty"),
    ("ash clouds", "cloud of ash"), ("vegetarian dishes", "dish for vegetarians"),
    ("bleached colonies", "bleaching of colonies"), ("grid connection", "connecting to the grid"),
    ("collision sensors", "sensor against collisions"), ("audio guides", "audio guide"),
    ("honey extraction", "extracting honey"), ("timetable changes", "changed timetable"),
    ("satellite pictures", "picture from a satellite"), ("cancelled contracts", "cancelling"),
    ("evacuation routes", "route of evacuation"), ("allergy labels", "label for allergies"),
    ("volunteer training", "training volunteers"), ("tax credits", "tax credit"),
    ("spare parts", "spare part"), ("night watchmen", "watchman at night"),
    ("hive inspection", "inspecting hives"), ("ticket inspectors", "inspector of tickets"),
    ("drainage tunnels", "tunnel for drainage"), ("complaint handling", "handling of complaints"),
    ("gas measurements", "measuring gas"), ("kitchen hygiene", "clean kitchen"),
)  # fmt: skip
PROGRAMS = (
    "Mail Composer", "Photo Sorter", "Ledger Pro", "Sky Charts", "Travel Planner",
    "Music Mixer", "Backup Wizard", "Chess Trainer", "Printer Setup", "Video Call",
)  # fmt: skip
MESSAGES: tuple[Thing, ...] = (
    ("attachment too large", "attachments that are too large"),
    ("duplicate albums", "duplicated album"), ("unbalanced account", "account without balance"),
    ("missing constellation", "constellations missing"), ("visa expired", "expiry of a visa"),
    ("microphone muted", "muted microphones"), ("disk almost full", "full disk"),
    ("illegal castling", "castling that is illegal"), ("toner low", "low toner"),
    ("camera blocked", "blocking of the camera"), ("signature rejected", "rejected signatures"),
    ("blurred faces", "blurring faces"), ("currency unknown", "unknown currencies"),
    ("comet positions", "position of a comet"), ("hotel overbooked", "overbooking at a hotel"),
    ("tempo mismatch", "mismatch of tempo"), ("encryption password", "password to encrypt"),
    ("stalemate puzzle", "puzzle with stalemate"), ("paper jam", "jammed paper"),
    ("background noise", "noise in the background"), ("spam folder", "folders of spam"),
    ("face recognition", "recognising faces"), ("payroll export", "exporting the payroll"),
    ("eclipse calendar", "calendar of eclipses"), ("luggage weight", "weight of luggage"),
    ("drum samples", "sample of drums"), ("restore point", "restoring to a point"),
    ("opening library", "library of openings"), ("duplex printing", "printing on both sides"),
    ("waiting room", "room to wait"),
)  # fmt: skip
SENDERS = (
    "Orchard Lane Clinic", "Borough Council", "Stonewell Insurance", "Meadow Primary School",
    "Lighthouse Theatre", "Fairweather Airlines", "Hillcrest Dental", "Amber Valley Water",
    "Kestrel Bank", "Juniper Housing",
)  # fmt: skip
MATTERS: tuple[Thing, ...] = (
    ("physiotherapy appointment", "appointment for physiotherapy"),
    ("parking permit", "permit for parking"), ("flood damage claim", "claim about flooding"),
    ("swimming lessons", "lesson in swimming"), ("season ticket renewal", "renewing a ticket"),
    ("lost suitcase", "suitcase that was lost"), ("wisdom tooth", "wisdom teeth"),
    ("burst pipe", "pipe that burst"), ("mortgage rate", "rate of the mortgage"),
    ("noisy neighbours", "noise of neighbours"), ("blood test results", "result of a blood test"),
    ("bin collection", "collecting bins"), ("stolen bicycle", "theft of a bicycle"),
    ("nut allergy", "allergic to nuts"), ("audition date", "date for an audition"),
    ("flight compensation", "compensated flight"), ("braces adjustment", "adjusting braces"),
    ("meter reading", "reading of the meter"), ("savings interest", "interest on savings"),
    ("boiler inspection", "inspected boiler"), ("vaccination reminder", "reminded to vaccinate"),
    ("tree pruning", "pruned trees"), ("windscreen crack", "cracked windscreen"),
    ("school trip", "trips of the school"), ("costume donation", "donated costumes"),
    ("seat upgrade", "upgraded seat"), ("whitening treatment", "treatment to whiten"),
    ("sewer works", "work on the sewer"), ("card replacement", "replacing a card"),
    ("rent increase", "increased rent"),
)  # fmt: skip
