"""Django's settings, read from the environment and `.env` (README, "Settings")."""

from __future__ import annotations

import os
import socket
from datetime import time
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from bridge_site.env import SettingsReader, queue_at, with_our_options

BASE_DIR = Path(__file__).resolve().parent.parent
# Where .env and the data are, whichever release's code runs (launch.releases).
HOME_DIR = Path(os.environ.get("BRIDGE_HOME") or BASE_DIR)
read = SettingsReader()
# The demo names a file of its own, so that it can never meet the real peers' tokens.
read.read_file(Path(os.environ.get("ENV_FILE") or HOME_DIR / ".env"))

# --- Site -----------------------------------------------------------------------------
SECRET_KEY = read.text("SECRET_KEY")
DEBUG = read.flag("DEBUG", default=False)
ALLOWED_HOSTS = read.names("ALLOWED_HOSTS", ["127.0.0.1", "localhost"])
CSRF_TRUSTED_ORIGINS = read.names("CSRF_TRUSTED_ORIGINS")
HTTPS_ONLY = read.flag("HTTPS_ONLY", default=not DEBUG)
LISTEN = read.text("LISTEN", "127.0.0.1:8000")
# Web servers in front: what these say of whom they speak for is believed.
TRUSTED_PROXIES = read.networks("TRUSTED_PROXIES", "127.0.0.1,::1")
# Under which address the admin is, and from where it may be reached; none = anywhere.
ADMIN_PATH = read.path("ADMIN_PATH", "admin")
ADMIN_NETWORKS = read.networks("ADMIN_NETWORKS")
# Where the site is reached from outside; empty = the first of CSRF_TRUSTED_ORIGINS.
PUBLIC_URL = read.url("PUBLIC_URL", schemes=["https", "http"])
# Names of settings whose dangerous values are wanted (bridge_site.checks).
ALLOW_UNSAFE = read.names("ALLOW_UNSAFE")
# Shows /readyz in detail to whoever asks with it from another computer.
HEALTH_TOKEN = read.text("HEALTH_TOKEN")
# Shows /metrics to Prometheus, which sends it; without one there is no such page.
METRICS_TOKEN = read.text("METRICS_TOKEN")
# A relative folder is meant from the home folder, wherever a service is started.
VAR_DIR = HOME_DIR / read.text("VAR_DIR", "var")
# Of several hosts on one database: this one's name, and what it runs.
HOST_NAME = read.text("HOST_NAME") or socket.gethostname()
HOST_ROLES = read.several("HOST_ROLES", "web", "workers") or ["web", "workers"]
# Outside the database: how far it had come, so that an older copy is noticed. None, in
# tests only, turns the guard off.
EPOCH_MARK: Path | None = HOME_DIR / read.text(
    "EPOCH_MARK", str(VAR_DIR / "epoch.json")
)

# --- Al-Style -------------------------------------------------------------------------
ALSTYLE_URL = read.url(
    "ALSTYLE_URL", "https://api.al-style.kz", schemes=["https", "http"]
)
ALSTYLE_TOKEN = read.text("ALSTYLE_TOKEN")
ALSTYLE_INTERVAL_S = read.number("ALSTYLE_INTERVAL_S", "5")
# Whom to order for; empty = the account's own BIN.
ALSTYLE_BIN = read.text("ALSTYLE_BIN")
# Where people work with it; orders have no address of their own that is known.
ALSTYLE_PORTAL_URL = read.url(
    "ALSTYLE_PORTAL_URL", "https://b2b.al-style.kz", schemes=["https", "http"]
)
ALSTYLE_TIMEOUT_S = read.number("ALSTYLE_TIMEOUT_S", "60", at_least=1)

# --- Kaspi ----------------------------------------------------------------------------
KASPI_URL = read.url(
    "KASPI_URL", "https://kaspi.kz/shop/api", schemes=["https", "http"]
)
KASPI_TOKEN = read.text("KASPI_TOKEN")
KASPI_MERCHANT_ID = read.text("KASPI_MERCHANT_ID")
KASPI_COMPANY = read.text("KASPI_COMPANY")
# Seen as a number, while the merchant id of the price list may be a name.
KASPI_MERCHANT_UID = read.text("KASPI_MERCHANT_UID")
# An order in the cabinet; {code} stands for its code.
KASPI_CABINET_URL = read.url(
    "KASPI_CABINET_URL",
    "https://kaspi.kz/mc/#/orders/{code}",
    schemes=["https", "http"],
)
# No limit is published; five requests a second have never been refused.
KASPI_INTERVAL_S = read.number("KASPI_INTERVAL_S", "0.2")

# --- Both peers -----------------------------------------------------------------------
OBSERVE_ONLY = read.flag("OBSERVE_ONLY", default=False)
OUTBOUND_PROXY = read.url(
    "OUTBOUND_PROXY", schemes=["http", "https", "socks5", "socks5h"]
)
PEER_BACKOFF_S = read.number("PEER_BACKOFF_S", "2")
PEER_LONGEST_WAIT_S = read.number("PEER_LONGEST_WAIT_S", "60")
USER_AGENT = read.text("USER_AGENT", "kaspi-bridge/1.0")

# --- Catalogue ------------------------------------------------------------------------
SYNC_STOCK_EVERY_MIN = read.integer(
    "SYNC_STOCK_EVERY_MIN", 10, at_least=1, at_most=1_440
)
# A crawl or a stock answer that holds less than this share of what is known is refused.
COMPLETE_SHARE_PERCENT = read.integer("COMPLETE_SHARE_PERCENT", 90, at_most=100)
STOCK_STALE_AFTER_MIN = read.integer(
    "STOCK_STALE_AFTER_MIN", 120, at_least=1, at_most=10_080
)
STOCK_CAP = read.integer("STOCK_CAP", 500, at_least=1, at_most=1_000_000)
LEAST_STOCK_TO_LIST = read.integer(
    "LEAST_STOCK_TO_LIST", 1, at_least=1, at_most=1_000_000
)
PRICE_JUMP_PERCENT = read.integer("PRICE_JUMP_PERCENT", 40, at_least=1, at_most=1_000)
# A rise beyond it goes through by itself when imports showed it for this long.
PRICE_RISE_STEADY_HOURS = read.integer(
    "PRICE_RISE_STEADY_HOURS", 24, at_least=1, at_most=8_760
)
# Queued when an import or a price changed something; the catalogue knows no feed.
TASKS_AFTER_CATALOGUE_CHANGE = ["feeds.tasks.build_feed"]
CHANGES_KEPT_DAYS = read.integer("CHANGES_KEPT_DAYS", 180, at_least=1, at_most=3_650)
# Who changed a rule, a price or a choice; of each row the last state always stays.
HISTORY_KEPT_DAYS = read.integer("HISTORY_KEPT_DAYS", 730, at_least=1, at_most=36_500)
# A change that gives more than this share of the goods on sale another price, or takes
# so many off sale, is saved only when its author has ticked that it is meant.
CHANGE_WARN_PERCENT = read.integer("CHANGE_WARN_PERCENT", 10, at_least=1, at_most=100)

# --- Price list -----------------------------------------------------------------------
FEED_DIR = HOME_DIR / read.text("FEED_DIR", str(VAR_DIR / "feed"))
FEED_USER = read.text("FEED_USER")
FEED_PASSWORD = read.text("FEED_PASSWORD")
FEED_KEPT_VERSIONS = read.integer("FEED_KEPT_VERSIONS", 50, at_least=2, at_most=1_000)
FEED_WITHDRAWN_DAYS = read.integer("FEED_WITHDRAWN_DAYS", 30, at_least=1, at_most=3_650)
FEED_MASS_WITHDRAWAL_PERCENT = read.integer(
    "FEED_MASS_WITHDRAWAL_PERCENT", 30, at_most=100
)
# What is kept on sale beyond that limit goes off when imports said so for this long.
FEED_WITHHELD_HOURS = read.integer("FEED_WITHHELD_HOURS", 24, at_least=1, at_most=8_760)
FEED_ROLLBACK_HOLD_MIN = read.integer(
    "FEED_ROLLBACK_HOLD_MIN", 60, at_least=1, at_most=10_080
)
# Where Kaspi fetches from is unpublished; its login tells as well. What a program calls
# itself tells nothing.
FEED_KASPI_NETWORKS = read.networks("FEED_KASPI_NETWORKS")

# --- Orders ---------------------------------------------------------------------------
POLL_ORDERS_EVERY_MIN = read.integer(
    "POLL_ORDERS_EVERY_MIN", 5, at_least=1, at_most=1_440
)
REFRESH_ORDERS_EVERY_MIN = read.integer(
    "REFRESH_ORDERS_EVERY_MIN", 15, at_least=1, at_most=1_440
)
AUTO_RESERVE = read.flag("AUTO_RESERVE", default=True)
AUTO_ACCEPT = read.flag("AUTO_ACCEPT", default=True)
AUTO_ASSEMBLE = read.flag("AUTO_ASSEMBLE", default=False)
AUTO_CANCEL_OUT_OF_STOCK = read.flag("AUTO_CANCEL_OUT_OF_STOCK", default=False)
ACCEPT_UNRESERVED_BEFORE_DEADLINE = read.flag(
    "ACCEPT_UNRESERVED_BEFORE_DEADLINE", default=False
)
# The shop's hours, Monday to Sunday; Kaspi's three hours run only inside them.
WORK_WEEK = read.names("WORK_WEEK", ["10-20"] * 6 + ["-"])
HOLIDAYS = read.names("HOLIDAYS")
ACCEPT_WITHIN_WORKING_MIN = read.integer(
    "ACCEPT_WITHIN_WORKING_MIN", 180, at_least=1, at_most=10_080
)
EXPRESS_WITHIN_MIN = read.integer("EXPRESS_WITHIN_MIN", 60, at_least=1, at_most=1_440)
DEADLINE_NEAR_MIN = read.integer("DEADLINE_NEAR_MIN", 30, at_least=1, at_most=1_440)
ORDERS_SILENT_DAYS = read.integer("ORDERS_SILENT_DAYS", 3, at_least=1, at_most=365)
PRICE_TOLERANCE_PERCENT = read.number("PRICE_TOLERANCE_PERCENT", "3", at_most=100)
# What an order must earn to be bought unasked, of its cost and in tenge. Nothing: thin
# earnings still beat a cancellation, which counts against the shop; a loss does not.
MARGIN_LEAST_PERCENT = read.number(
    "MARGIN_LEAST_PERCENT", "0", at_least=-100, at_most=1_000
)
MARGIN_LEAST_KZT = read.integer(
    "MARGIN_LEAST_KZT", 0, at_least=-1_000_000_000, at_most=1_000_000_000
)
# When several orders share a purchase: "off", "threatened" or "always".
BUY_TOGETHER = read.choice("BUY_TOGETHER", "threatened", "off", "always")
STEP_ATTEMPTS = read.integer("STEP_ATTEMPTS", 8, at_least=1, at_most=100)
# Whether the supplier's visible stock falls when an order is placed ("submit") or
# only when it is shipped ("shipping"): unpublished, so the safe one is the default.
SUPPLIER_STOCK_FALLS_AT = read.choice("SUPPLIER_STOCK_FALLS_AT", "shipping", "submit")
# The first purchases stop after each call until a person says "go on by yourself".
SUPERVISE_FIRST_PURCHASE = read.flag("SUPERVISE_FIRST_PURCHASE", default=True)
BUYER_DATA_KEPT_DAYS = read.integer("BUYER_DATA_KEPT_DAYS", 30, at_most=3_650)
# 0 = for ever. A waybill goes with its buyer's data at the latest.
WAYBILLS_KEPT_DAYS = read.integer("WAYBILLS_KEPT_DAYS", 30, at_most=3_650)
EVENTS_KEPT_DAYS = read.integer("EVENTS_KEPT_DAYS", 365, at_most=3_650)
STEPS_KEPT_DAYS = read.integer("STEPS_KEPT_DAYS", 365, at_most=3_650)
# When the supplier can ship what is ordered now: so many days ahead, one more after
# the cut-off hour, on a day he works (1 = Monday).
SHIPPING_DAYS_AHEAD = read.integer("SHIPPING_DAYS_AHEAD", 1, at_most=60)
SHIPPING_CUTOFF_HOUR = read.integer("SHIPPING_CUTOFF_HOUR", 18, at_most=24)
SUPPLIER_WORK_WEEK = read.names("SUPPLIER_WORK_WEEK", ["1", "2", "3", "4", "5"])
SUPPLIER_HOLIDAYS = read.names("SUPPLIER_HOLIDAYS")
# Where the one known client puts submit's parameters; "form" is the other way.
SUBMIT_PARAMETERS_IN = read.choice("SUBMIT_PARAMETERS_IN", "query", "form")
KASPI_TIMEOUT_S = read.number("KASPI_TIMEOUT_S", "30", at_least=1)
ORDER_TIMEOUT_S = read.number("ORDER_TIMEOUT_S", "30", at_least=1)

# --- Alerts ---------------------------------------------------------------------------
# Where messages go, beside the channels of the admin; addresses of Apprise's.
ALERT_URLS = read.addresses("ALERT_URLS")
# Pauses before what nobody acknowledged is told again; the last one goes on.
ALERT_REPEAT_MIN = read.integers("ALERT_REPEAT_MIN", [30, 120, 480], at_most=525_600)
ALERT_QUIET_HOURS = read.hours("ALERT_QUIET_HOURS", (22, 8))
DIGEST_AT = read.clock("DIGEST_AT", time(9, 0))
# Called each minute while every part shows life: who hears no call raises the alarm.
HEARTBEAT_URL = read.url("HEARTBEAT_URL", schemes=["https", "http"])
DISK_LOW_MB = read.integer("DISK_LOW_MB", 2000, at_most=1_000_000_000)

# --- Backups --------------------------------------------------------------------------
# Beside the program, not inside it: an update or a clean checkout must not touch them.
BACKUP_DIR = HOME_DIR / read.text(
    "BACKUP_DIR", str(HOME_DIR.parent / f"{HOME_DIR.name}-backups")
)
# Of how many days, weeks and months one is kept.
BACKUP_KEEP = read.integers("BACKUP_KEEP", [7, 4, 6], at_most=36_500)
# Elsewhere, encrypted for whoever has the identity of this age recipient.
BACKUP_SECOND_DIR = (
    BASE_DIR / second if (second := read.text("BACKUP_SECOND_DIR")) else None
)
BACKUP_RECIPIENT = read.text("BACKUP_RECIPIENT")
# A bucket, and perhaps a folder in it, of Amazon's S3 or what speaks as it does.
BACKUP_STORE_URL = read.url("BACKUP_STORE_URL", schemes=("https", "http"))
BACKUP_STORE_KEY = read.text("BACKUP_STORE_KEY")
BACKUP_STORE_SECRET = read.text("BACKUP_STORE_SECRET")
BACKUP_STORE_REGION = read.text("BACKUP_STORE_REGION", "us-east-1")

# --- Database -------------------------------------------------------------------------
VAR_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
DATABASE_URL_DEFAULT = f"sqlite:///{(VAR_DIR / 'bridge.sqlite3').as_posix()}"
DATABASES = {
    "default": with_our_options(read.database("DATABASE_URL", DATABASE_URL_DEFAULT))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Applications ---------------------------------------------------------------------
INSTALLED_APPS = [
    "bridge_site.apps.BridgeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_q",
    "simple_history",
    "axes",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "bridge_site.apps.BridgeSiteConfig",
    "plumbing.apps.PlumbingConfig",
    "alerts.apps.AlertsConfig",
    "catalog",
    "orders.apps.OrdersConfig",
    "feeds",
]
MIDDLEWARE = [
    "bridge_site.middleware.RequestIdMiddleware",
    "bridge_site.callers.TrueCallerMiddleware",
    "csp.middleware.CSPMiddleware",
    "bridge_site.middleware.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "bridge_site.middleware.MethodsMiddleware",
    "bridge_site.health.HealthMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bridge_site.callers.AdminNetworksMiddleware",
    "bridge_site.middleware.SettledSettingsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "bridge_site.language.ChosenLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "bridge_site.staff.signing_in.SigningInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    # Tells the history who saves.
    "simple_history.middleware.HistoryRequestMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # Innermost: it answers in place of the sign-in page.
    "axes.middleware.AxesMiddleware",
]
SESSION_ENGINE = "bridge_site.staff.sessions"
ROOT_URLCONF = "bridge_site.urls"
WSGI_APPLICATION = "bridge_site.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bridge_site.context.bridge",
            ],
        },
    },
]
AUTHENTICATION_BACKENDS = [
    # Refuses before the next one hashes anything.
    "axes.backends.AxesStandaloneBackend",
    "bridge_site.staff.signing_in.StaffBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
        "UserAttributeSimilarityValidator",
    )
] + [{"NAME": "bridge_site.passwords.NameInsideValidator"}]

# --- Signing in -----------------------------------------------------------------------
# So many wrong passwords for a name from an address close it there for so long.
SIGN_IN_ATTEMPTS = read.integer("SIGN_IN_ATTEMPTS", 5, at_least=3, at_most=100)
SIGN_IN_LOCKED_MIN = read.integer("SIGN_IN_LOCKED_MIN", 30, at_least=1, at_most=1_440)
# After so many hours the password is asked for again.
SESSION_HOURS = read.integer("SESSION_HOURS", 336, at_least=1, at_most=2_160)
OWNER_SESSION_HOURS = read.integer("OWNER_SESSION_HOURS", 72, at_least=1, at_most=2_160)
# Roles that cannot work without a code from the phone.
SECOND_FACTOR_FOR = read.several(
    "SECOND_FACTOR_FOR", "viewer", "packer", "operator", "owner"
)
# What the app for codes shows beside them; django-otp's.
OTP_TOTP_ISSUER = f"Kaspi {KASPI_COMPANY}".strip()
AXES_HANDLER = "bridge_site.staff.guarding.SignInHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = "bridge_site.staff.guarding.most_failures"
AXES_COOLOFF_TIME = "bridge_site.staff.guarding.locked_for"
AXES_USERNAME_CALLABLE = "bridge_site.staff.guarding.counted_name"
AXES_CLIENT_IP_CALLABLE = "bridge_site.staff.guarding.counted_address"
AXES_LOCKOUT_CALLABLE = "bridge_site.staff.guarding.show_locked"
# Nobody is kept out for longer by going on to guess, nor does the table grow by it.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_ENABLE_ADMIN = AXES_VERBOSE = False

# --- Language and time ----------------------------------------------------------------
LANGUAGE_CODE = "ru"
# Kazakh has the daily screens; what it lacks is shown in the first language.
LANGUAGES = [("ru", _("Russian")), ("kk", _("Kazakh")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "bridge_site.formats"
TIME_ZONE = "Asia/Almaty"
USE_I18N = USE_TZ = True

# --- Static files ---------------------------------------------------------------------
STATIC_URL = "static/"
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o755
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # The pictures of the guides, which the admin shows as well.
    ("guides", BASE_DIR / "docs" / "ru" / "img"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEBUG
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}

# Nobody else's pages have a use for them.
WHITENOISE_ALLOW_ALL_ORIGINS = False

# What is larger than 2.5 MB does not wait in memory.
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "bridge_site.uploads.UploadHandler",
]

# --- Security -------------------------------------------------------------------------
SECURE_SSL_REDIRECT = HTTPS_ONLY
# Kaspi must get 200 with the whole file, no redirect, whichever way it comes.
SECURE_REDIRECT_EXEMPT = [r"^kaspi_price_list\.xml", r"^((health|ready)z|metrics)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
# Beyond this host only when asked: other names of the domain may lack HTTPS, and what
# a browser has once been told it keeps for a year.
HSTS_SCOPE = read.choice("HSTS_SCOPE", "host", "subdomains", "preload")
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY and HSTS_SCOPE != "host"
SECURE_HSTS_PRELOAD = HTTPS_ONLY and HSTS_SCOPE == "preload"
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS_ONLY
# Scripts ask with what stands in the page; none reads these.
CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER = "bridge_site.fault_details.FaultReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "bridge_site.fault_details.FaultFilter"
SECURE_REFERRER_POLICY = "same-origin"
# Scripts, styles and pictures are files of ours; nothing stands inside a page.
CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF],
        "manifest-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "upgrade-insecure-requests": HTTPS_ONLY,
    }
}
HEADERS_OF_ALL = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{power}=()"
        for power in (
            *("accelerometer", "autoplay", "camera", "display-capture", "geolocation"),
            *("gyroscope", "magnetometer", "microphone", "midi", "payment", "usb"),
            *("browsing-topics", "publickey-credentials-get", "screen-wake-lock"),
            *("serial", "hid", "xr-spatial-tracking", "encrypted-media"),
        )
    ),
    "Referrer-Policy": SECURE_REFERRER_POLICY,
    "X-Content-Type-Options": "nosniff",
}

# --- Workers --------------------------------------------------------------------------
# `retry` exceeds the longest task, or the broker would hand it out a second time.
# Where tasks wait: in the database itself, or in a Redis.
BROKER_URL = read.url("BROKER_URL", schemes=["redis", "rediss"])
Q_CLUSTER: dict[str, Any] = {
    "name": "orders",
    **queue_at(BROKER_URL),
    "bulk": 1,
    "timeout": 300,
    "retry": 900,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "poll": 1.0,
    # A part has one worker, which is never made anew (bridge_site.cluster).
    "workers": 1,
    "recycle": 0,
    "save_limit": 50,
    "save_limit_per": "group",
    "label": "Django Q",
    "log_level": "WARNING",
    "ALT_CLUSTERS": {"imports": {"timeout": 3600, "retry": 7200}},
}

FAILED_TASKS_KEPT_DAYS = read.integer("FAILED_TASKS_KEPT_DAYS", 30, at_most=3_650)

# --- Logging --------------------------------------------------------------------------
# A file for each part; "-" = none. The console has the same lines but for each call.
LOG_FILE = read.text("LOG_FILE", str(VAR_DIR / "log" / "{part}.log"))
LOG_FILE_MB = read.integer("LOG_FILE_MB", 10, at_least=1, at_most=10_000)
LOG_FILES_KEPT = read.integer("LOG_FILES_KEPT", 5, at_most=1_000)
LOG_FORMAT = read.choice("LOG_FORMAT", "text", "json")
# Where faults are told besides, if sentry-sdk is installed.
SENTRY_DSN = read.text("SENTRY_DSN")
SENTRY_ENVIRONMENT = read.text("SENTRY_ENVIRONMENT", "production")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "plumbing.logs.LineFormatter"},
        "json": {"()": "plumbing.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT},
        "file": {
            "class": "plumbing.logfile.PartFileHandler",
            "formatter": LOG_FORMAT,
            "path": str(HOME_DIR / LOG_FILE),
            "most_bytes": LOG_FILE_MB * 1_000_000,
            "kept": LOG_FILES_KEPT,
        }
        if LOG_FILE != "-"
        else {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["console", "file"], "level": read.text("LOG_LEVEL", "INFO")},
    "loggers": {
        # At DEBUG these print whole URLs; Al-Style's carry the token.
        "urllib3": {"level": "INFO"},
        # Attackers write these lines; ours of the same are in `bridge.sign_in`.
        "axes": {"level": "CRITICAL"},
        "waitress.queue": {"level": "ERROR"},
        # Whatever LOG_LEVEL says: fail2ban reads it.
        "bridge.sign_in": {"level": "INFO"},
        "django-q": {"handlers": [], "propagate": True, "level": "WARNING"},
        # Each call and each request: too many for a console.
        "plumbing.calls": {"handlers": ["file"], "propagate": False},
        "bridge.requests": {"handlers": ["file"], "propagate": False},
        # Instead of Django's own way, which would mail faults to ADMINS.
        "django": {"handlers": [], "propagate": True, "level": "INFO"},
    },
}
SETTING_PROBLEMS = read.problems
SETTING_DECLARATIONS = read.declared
