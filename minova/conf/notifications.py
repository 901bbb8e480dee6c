"""[notifications]: what other programs hear of servers and resources, as Nova tells it."""

from oslo_config import cfg

OPTIONS = {
    "notifications": [
        cfg.StrOpt(
            "notify_on_state_change",
            choices=["vm_state", "vm_and_task_state"],
            help="Send instance.update when a server's vm_state changes, or also when its "
            "task_state does. Without it only the beginning and the end of actions are told. "
            "Nothing at all is sent unless [oslo_messaging_notifications] driver is set, to "
            "`messagingv2` for instance.",
        ),
        cfg.StrOpt(
            "notification_format",
            default="versioned",
            choices=["versioned"],
            help="The form of notifications. Nova's older one, unversioned, is not made here.",
        ),
        cfg.ListOpt(
            "versioned_notifications_topics",
            default=["versioned_notifications"],
            help="Topics that notifications are sent to.",
        ),
    ]
}
