"Package metadata is kept in `settings.ini`; this reads it for pip"
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages

here = Path(__file__).parent
cp = ConfigParser(delimiters=['='], interpolation=None)
cp.read(here/'settings.ini', encoding='utf-8')
cfg = cp['DEFAULT']
status = ['1 - Planning','2 - Pre-Alpha','3 - Alpha','4 - Beta','5 - Production/Stable']

def extras():
    "Each `some_name_requirements` key is the extra `some-name`"
    end = '_requirements'
    return {k[:-len(end)].replace('_','-'): v.split() for k,v in cfg.items() if k.endswith(end)}

def absolute(md):
    "The README links inside the repository; a package index needs whole addresses"
    url,branch = cfg['git_url'],cfg['branch']
    raw = url.replace('https://github.com', 'https://raw.githubusercontent.com')
    md = re.sub(r'(!\[[^\]]*\]\()(?!\w+:|#)', rf'\1{raw}/{branch}/', md)
    return re.sub(r'((?<!!)\[[^\]]*\]\()(?!\w+:|#)', rf'\1{url}/blob/{branch}/', md)

setup(version=cfg['version'], keywords=cfg['keywords'].split(), license='Apache-2.0',
      author=cfg['author'], author_email=cfg['author_email'] or None,
      packages=find_packages(include=[cfg['lib_path'], cfg['lib_path']+'.*']), include_package_data=True,
      install_requires=cfg['requirements'].split(), extras_require=extras(),
      classifiers=[f"Development Status :: {status[int(cfg['status'])-1]}",
                   'Programming Language :: Python :: 3',
                   'Intended Audience :: Developers', 'Intended Audience :: Science/Research',
                   'Topic :: Scientific/Engineering :: Artificial Intelligence'],
      long_description=absolute((here/'README.md').read_text(encoding='utf-8')),
      long_description_content_type='text/markdown', zip_safe=False,
      entry_points=dict(nbdev=[f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"],
                        console_scripts=cfg['console_scripts'].split()))
