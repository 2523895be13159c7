"""What a trading account did, beside what the judged bytes would have done, and what that is worth."""
