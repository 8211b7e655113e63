from PIL import Image

from viewfinder.cli.samples import EXPECTED, sample_pictures


def test_there_are_at_least_twenty_readable_sample_pictures_offline() -> None:
    pictures = sample_pictures()
    assert len(pictures) >= 20
    for path in pictures:
        with Image.open(path) as picture:
            picture.verify()


def test_every_search_of_the_demo_has_its_picture() -> None:
    names = [path.name for path in sample_pictures()]
    for expected in EXPECTED.values():
        assert any(name.startswith(expected) for name in names)
