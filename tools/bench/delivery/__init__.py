"""Large files into the store, and many mails."""
