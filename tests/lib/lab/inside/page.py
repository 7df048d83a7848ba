"""A person at mitmweb's page: `python3 page.py FOLDER URL BUTTON`, in the host's namespaces.

Waits until the request for URL waits, clicks it and then BUTTON (Resume or Abort), and waits until
it waits no more. FOLDER is for the browser, and new.
"""

import sys

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.wait import WebDriverWait

PAGE = "http://127.0.0.1:8081/"
SECONDS = 60
OPTIONS = """
    --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-proxy-server
    --no-first-run --disable-background-networking --disable-component-update --disable-sync
    --window-size=1200,800
"""


def main(folder: str, url: str, button: str) -> None:
    """See the file's head."""
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    quiet = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"  # it looks no name up
    for option in (*OPTIONS.split(), quiet, f"--user-data-dir={folder}"):
        options.add_argument(option)
    waiting = By.XPATH, f"//tr[contains(@class, 'intercepted')][contains(., '{url}')]"
    with Chrome(options=options, service=Service("/usr/bin/chromedriver")) as browser:
        wait = WebDriverWait(browser, SECONDS)
        browser.get(PAGE)
        wait.until(element_to_be_clickable(waiting)).click()
        there = By.XPATH, f"//button[contains(., '{button}')]"
        wait.until(element_to_be_clickable(there)).click()
        wait.until_not(lambda page: page.find_elements(*waiting))


main(*sys.argv[1:])
